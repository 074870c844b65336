use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::{Fusion, Operation, Site};
use crate::cost::Cost;
use crate::layer::{self, integer, linear_cost};
use crate::report::suggest;
use crate::spec::FilmFusion;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    base: Role,
    gamma: Role,
    beta: Role,
    hidden: Vec<u64>,
}

/// A modality, counted from zero.
#[derive(Debug, Clone)]
struct Role {
    modality: usize,
    name: String,
}

pub(super) fn infer(spec: &FilmFusion, site: &mut Site<'_>) -> Option<Fusion> {
    let FilmFusion { base, gamma, beta, hidden } = spec;
    let base = role("base", base, site);
    let gamma = role("gamma", gamma, site);
    let beta = match beta {
        Some(beta) => role("beta", beta, site),
        None => gamma.clone(),
    };
    let place = site.place.key("film").key("hidden");
    let hidden: Vec<_> = hidden
        .iter()
        .enumerate()
        .map(|(index, width)| layer::size(*width, "hidden", &place.entry(index), site.errors))
        .collect();
    let widths = site.several("film");
    if site.names.len() == 1 {
        return None;
    }
    let (base, gamma, beta) = (base?, gamma?, beta?);
    let roles = [&base, &gamma, &beta].map(|role| role.modality);
    if roles[1] == roles[0] || roles[2] == roles[0] {
        let setting = if roles[1] == roles[0] { "gamma" } else { "beta" };
        site.errors
            .error(
                &site.place.key("film").key(setting),
                format!("`{}` is the base: its feature would scale or shift itself", base.name),
            )
            .help("name another modality");
        return None;
    }
    if let Some(idle) = (0..site.names.len()).find(|modality| !roles.contains(modality)) {
        site.errors.error(&site.place, format!("`film` takes no feature of `{}`", site.names[idle])).help(
            "let it be `gamma` or `beta`, leave the modality out, or choose a fusion of any number of modalities",
        );
        return None;
    }
    let (widths, hidden) = (widths?, hidden.into_iter().collect::<Option<Vec<_>>>()?);

    let size = widths[base.modality];
    let network = |from: &Role| {
        let mut cost = Cost::default();
        let mut width = widths[from.modality];
        for next in hidden.iter().chain([&size]) {
            cost = cost + linear_cost(width, *next, 1);
            width = *next;
        }
        cost
    };
    let cost = network(&gamma) + network(&beta) + Cost { parameters: 0, multiply_adds: size };
    Some(Fusion { operation: Operation::Film(Settings { base, gamma, beta, hidden }), widths, size, cost })
}

/// The modality of this name.
fn role(setting: &str, name: &str, site: &mut Site<'_>) -> Option<Role> {
    let Some(modality) = site.names.iter().position(|known| *known == name) else {
        site.errors
            .error(&site.place.key("film").key(setting), format!("there is no modality `{name}`"))
            .help(suggest(name, &site.names, "the modalities are"));
        return None;
    };
    Some(Role { modality, name: name.to_owned() })
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let [base, gamma, beta] = [&self.base, &self.gamma, &self.beta].map(|role| integer(role.modality as u64));
        let hidden = self.hidden.iter().map(|width| integer(*width));
        quote!(fusion::film::Settings { base: #base, gamma: #gamma, beta: #beta, hidden: &[#(#hidden),*] })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, gamma, beta, hidden } = self;
        write!(f, "base {} gamma {} beta {} hidden {hidden:?}", base.name, gamma.name, beta.name)
    }
}
