use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The compiler of m2sn on the command line: sets up packages, and checks, shows and costs specs without a build.
#[derive(Parser)]
#[command(name = "cargo m2sn", bin_name = "cargo m2sn", version, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  cargo m2sn init sensors              a package with a first network, ready for `cargo run`
  cargo m2sn check specs/*.yaml        every fault of the specs; exit code 1 where there is an error
  cargo m2sn check --watch specs/*.yaml
  cargo m2sn graph specs/first.yaml --format svg > first.svg")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Init(Init),
    Check(Check),
    /// Print the source that `#[m2sn_model]` generates
    #[command(after_help = "\
Examples:
  cargo m2sn expand specs/first.yaml
  cargo m2sn expand specs/first.yaml | less")]
    Expand {
        /// The spec of the model
        spec: String,
    },
    /// Draw the network: modalities, layers, exits, fusion and head
    #[command(after_help = "\
Examples:
  cargo m2sn graph specs/first.yaml                            Mermaid, for Markdown
  cargo m2sn graph specs/first.yaml --format svg > first.svg   a picture
  cargo m2sn graph specs/first.yaml --format dot | dot -Tpdf > first.pdf")]
    Graph {
        /// The spec of the model
        spec: String,
        /// The language of the drawing
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Print what each exit costs: shape, parameters, multiply-adds
    #[command(
        long_about = "Print what each exit costs: shape, parameters, multiply-adds.\n\n\
        The costs are those of one sample up to the exit, its shortcut included. They are counted, not measured: \
        milliseconds are known only where the model runs, and training measures them there.",
        after_help = "\
Examples:
  cargo m2sn cost specs/first.yaml
  cargo m2sn cost specs/first.yaml --json | jq .modalities[0].exits"
    )]
    Cost {
        /// The spec of the model
        spec: String,
        /// Print the whole network as JSON: every layer with its shapes and its cost
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of specs, by which editors complete keys and explain them
    #[command(after_help = "\
Example:
  cargo m2sn schema > specs/m2sn.schema.json

The first line of a spec then switches it on:
  # yaml-language-server: $schema=m2sn.schema.json")]
    Schema,
}

/// Set up a package: the dependency on m2sn, a first spec, and a program that trains it
///
/// In a folder without `Cargo.toml`, the package is made as by `cargo init`; to one that is there, things are added.
/// What is there already is kept and named, and where a step fails, everything is as it was.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo m2sn init sensors                           a new package in `sensors`
  cargo m2sn init                                   in the working folder
  cargo m2sn init --dry-run                         say what would be done
  cargo m2sn init --git https://example.org/m2sn    take m2sn from there")]
pub(crate) struct Init {
    /// The folder of the package
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// The name of a new package; the folder's where left out
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A checkout of m2sn to depend on; the one that this tool was built from where left out
    #[arg(long, value_name = "FOLDER", conflicts_with = "git")]
    pub(crate) path: Option<PathBuf>,
    /// A Git repository of m2sn to depend on
    #[arg(long, value_name = "URL")]
    pub(crate) git: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Check specs, without a build
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo m2sn check specs/*.yaml
  cargo m2sn check --watch specs/first.yaml     again whenever the file changes
  cargo m2sn check --json specs/*.yaml          for editors: one JSON object a line

The exit code is 0 where there are warnings at most, 1 where there is an error, 2 for a wrong command.")]
pub(crate) struct Check {
    /// The specs to check
    #[arg(required = true, value_name = "SPEC")]
    pub(crate) specs: Vec<String>,
    /// Check again whenever one of the specs changes
    #[arg(long)]
    pub(crate) watch: bool,
    /// Print one JSON object a fault to standard output, then one with the number of errors and warnings
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Format {
    /// For Markdown, as on GitHub and in rustdoc with a plugin
    #[default]
    Mermaid,
    /// For Graphviz
    Dot,
    /// A picture that browsers show
    Svg,
}
