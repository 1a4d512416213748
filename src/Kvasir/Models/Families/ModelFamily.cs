using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Families;

/// <summary>
/// A family of models: what its files call it, and how its keys become the properties of a <see cref="ModelConfig"/>. It is a translation that runs once, when a
/// file is read; what computes knows the properties alone.
/// </summary>
internal sealed record ModelFamily
{
    /// <summary>The general.architecture of its GGUF files; null where there are none of its own.</summary>
    public string? Gguf { get; init; }

    /// <summary>The model_type and the class that config.json names; null where there are no folders of its own.</summary>
    public (string Type, string Class)? Folder { get; init; }

    /// <summary>How rows of queries and keys lie in GGUF files: interleaved where they were permuted when the file was made.</summary>
    public RopeOrder GgufOrder { get; init; } = RopeOrder.Halves;

    /// <summary>How rows of queries and keys lie in folders.</summary>
    public RopeOrder FolderOrder { get; init; } = RopeOrder.Halves;

    /// <summary>Elements of a head where config.json does not say; null for the width divided among the heads.</summary>
    public int? UsualHeadDim { get; init; }

    /// <summary>Reads what all families have, and then this: what is this one's own.</summary>
    public Func<GgufKeys, ModelConfig, ModelConfig> FromGguf { get; init; } = static (_, config) => config;

    /// <inheritdoc cref="FromGguf"/>
    public Func<JsonFields, ModelConfig, ModelConfig> FromFolder { get; init; } = static (_, config) => config;

    public TensorNames GgufNames { get; init; } = TensorNames.Gguf;

    public TensorNames FolderNames { get; init; } = TensorNames.HuggingFace;
}
