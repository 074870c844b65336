use serde::{Deserialize, Serialize};

/// How the features of the modalities become one.
///
/// Each modality gives one feature, whichever of its exits a sample has left by, or what stands in for a missing one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Fusion {
    /// The features side by side, in the order of the modalities.
    #[default]
    Concat,
    /// The sum of the features, all of one width.
    Sum,
    /// The mean of the features, all of one width.
    Mean,
    /// Gated multimodal units (Arevalo et al., 2017): of each modality a tanh layer, and gates that all features open.
    Gated(GatedFusion),
    /// Tensor fusion (Zadeh et al., 2017): all products of the features' values, one of each modality or none.
    Tensor,
    /// Low-rank tensor fusion (Liu et al., 2018): linear maps of all these products, which are never formed.
    LowRankTensor(LowRankTensorFusion),
    /// The mean of all features, brought to one width, by weights that they give themselves, as in MMBench.
    Attention(AttentionFusion),
    /// Feature-wise linear modulation (Perez et al., 2018): one modality's feature, scaled and shifted by what others say.
    Film(FilmFusion),
}

/// Gated multimodal units: `Σ zᵢ tanh(Wᵢ xᵢ)` with gates `zᵢ = σ(Vᵢ [x₁, x₂, …])`. Of two modalities, the second one's gate is
/// what the first one's leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct GatedFusion {
    /// The width of the fused feature.
    pub(crate) size: u64,
}

/// Low-rank tensor fusion: `Σᵣ wᵣ (F₁ᵣ [1, x₁]) ∘ (F₂ᵣ [1, x₂]) ∘ … + b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LowRankTensorFusion {
    /// The width of the fused feature.
    pub(crate) size: u64,
    /// The number of summands.
    pub(crate) rank: u64,
}

/// Attention over modalities: `Σ aᵢ hᵢ` with `hᵢ = Wᵢ xᵢ + bᵢ` and `a = softmax(V [h₁, h₂, …] + c)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AttentionFusion {
    /// The width of the fused feature.
    pub(crate) size: u64,
}

/// Feature-wise linear modulation: `γ ∘ x + β`, of the base's feature `x`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct FilmFusion {
    /// The modality whose feature is scaled and shifted; the fused feature has its width.
    pub(crate) base: String,
    /// The modality that says by how much to scale.
    pub(crate) gamma: String,
    /// The modality that says by how much to shift; that of `gamma` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) beta: Option<String>,
    /// The widths of the hidden layers, each followed by relu, between these modalities and what they say; none where
    /// left out.
    #[serde(default)]
    pub(crate) hidden: Vec<u64>,
}
