using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Readers;

/// <summary>
/// A family of models: what its files call it, and how its keys become the properties of a <see cref="ModelConfig"/>. It is a translation that runs once,
/// when a file is read; what computes knows the properties alone.
/// </summary>
internal sealed record ModelFamily
{
    /// <summary>For people: what is published under these names.</summary>
    public required string Models { get; init; }

    /// <summary>For people: what differs from Llama, and what does not run.</summary>
    public required string Differs { get; init; }

    /// <summary>The general.architecture of its GGUF files; null where there are none of its own.</summary>
    public string? Gguf { get; init; }

    /// <summary>The model_type of its config.json; null where there are no folders of its own.</summary>
    public string? FolderType { get; init; }

    /// <summary>The classes that config.json names.</summary>
    public string[] Classes { get; init; } = [];

    /// <summary>How rows of queries and keys lie in GGUF files: interleaved where they were permuted when the file was made, or always were.</summary>
    public RopeOrder GgufOrder { get; init; } = RopeOrder.Halves;

    /// <summary>How rows of queries and keys lie in folders.</summary>
    public RopeOrder FolderOrder { get; init; } = RopeOrder.Halves;

    public NormKind Norm { get; init; }

    public GateKind Gate { get; init; }

    /// <summary>Elements of a head where config.json does not say; null for the width divided among the heads.</summary>
    public int? UsualHeadDim { get; init; }

    /// <summary>The share of a head that rotates where config.json does not say; null for a family whose heads rotate whole.</summary>
    public double? RotaryShare { get; init; }

    /// <summary>Whether the output is the embedding where config.json does not say.</summary>
    public bool TiesByDefault { get; init; }

    /// <summary>How many times as wide as the model its feed-forward part is where config.json does not say; null where it has to.</summary>
    public int? UsualExpansion { get; init; }

    /// <summary>What quantization_config may ask for, since its folders are published so; null for nothing.</summary>
    public string? Quantization { get; init; }

    /// <summary>What config.json may leave out, and the class that reads it takes then.</summary>
    public IReadOnlyDictionary<string, double> FolderDefaults { get; init; } = new Dictionary<string, double>();

    /// <summary>Keys of config.json that it spells otherwise than most: the usual name to its own.</summary>
    public IReadOnlyDictionary<string, string> FolderKeys { get; init; } = new Dictionary<string, string>();

    /// <summary>Reads what all families have, and then this: what is this one's own.</summary>
    public Func<GgufKeys, ModelConfig, ModelConfig> FromGguf { get; init; } = static (_, config) => config;

    /// <inheritdoc cref="FromGguf"/>
    public Func<JsonFields, ModelConfig, ModelConfig> FromFolder { get; init; } = static (_, config) => config;

    /// <summary>The same for what turns rotation.</summary>
    public Func<GgufKeys, RopeConfig, RopeConfig> RopeFromGguf { get; init; } = static (_, rope) => rope;

    /// <inheritdoc cref="RopeFromGguf"/>
    public Func<JsonFields, RopeConfig, RopeConfig> RopeFromFolder { get; init; } = static (_, rope) => rope;

    /// <summary>How layers with a window are rotated, from the model and how the others are; null for all alike.</summary>
    public Func<ModelConfig, RopeConfig, RopeConfig>? WindowRope { get; init; }

    /// <summary>Whether layers with a window may have heads of other sizes than the rest.</summary>
    public bool HasWindowHeads { get; init; }

    public TensorNames GgufNames { get; init; } = TensorNames.Gguf;

    public TensorNames FolderNames { get; init; } = TensorNames.HuggingFace;
}
