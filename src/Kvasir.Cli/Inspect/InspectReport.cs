using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Inspect;

/// <summary>What <c>inspect --json</c> writes. Parts that need a model of a supported kind are null for others.</summary>
/// <param name="Format">gguf or safetensors.</param>
/// <param name="Problem">Why this model does not run here; null when it does.</param>
/// <param name="Notes">What was passed over in the files, a line each.</param>
/// <param name="Metadata">Keys of the GGUF file, or fields of config.json; long arrays as their first elements and count.</param>
/// <param name="TensorTypes">The tensors by type.</param>
/// <param name="Tensors">All of them, with <c>--tensors</c>.</param>
internal sealed record InspectReport(
    string Path, string Format, string? Problem, IReadOnlyList<string> Notes,
    ShapeReport? Shape, TokenizerReport? Tokenizer, TemplateReport? Template, PlanReport? Plan,
    TensorTypeReport[] TensorTypes, TensorReport[]? Tensors, JsonObject Metadata);

/// <summary>The model's configuration; tokens and elements.</summary>
internal sealed record ShapeReport
{
    public required string Name { get; init; }

    public required string Architecture { get; init; }

    public required int LayerCount { get; init; }

    public required int Width { get; init; }

    public required int FeedForwardWidth { get; init; }

    public required int HeadCount { get; init; }

    public required int KvHeadCount { get; init; }

    public required int HeadDim { get; init; }

    public required int VocabularySize { get; init; }

    public required long ParameterCount { get; init; }

    public required int ContextTokens { get; init; }

    public int? SlidingWindowTokens { get; init; }

    public bool TiedEmbedding { get; init; }

    public required RopeReport Rope { get; init; }

    /// <summary>What layers have that Llama's do not, in words; empty where they have nothing.</summary>
    public required string[] LayerNotes { get; init; }

    /// <summary>Layers that see all rows, counted from 0, where the others have the window.</summary>
    public int[]? FullLayers { get; init; }

    /// <summary>How layers with a window are rotated, where the others are rotated otherwise.</summary>
    public RopeReport? WindowRope { get; init; }

    /// <summary>Layers without positions, counted from 0.</summary>
    public int[]? UnrotatedLayers { get; init; }

    /// <summary>Null where every token goes through the same matrices.</summary>
    public ExpertReport? Experts { get; init; }

    /// <summary>What logits come near and do not pass; null where they are not capped.</summary>
    public float? LogitCap { get; init; }

    /// <summary>Factors that are not 1: of the embedding, of what layers add, of scores and of logits.</summary>
    public FactorReport? Factors { get; init; }
}

/// <param name="Count">Experts of a layer.</param>
/// <param name="Used">Those that a token goes through.</param>
/// <param name="Width">Of the feed-forward part that an expert is.</param>
/// <param name="Router">What the weights of the chosen are made of: ofChosen for softmax over them, ofAll for softmax over all.</param>
/// <param name="SharedWidth">Of the part beside them that every token goes through; null where there is none.</param>
internal sealed record ExpertReport(int Count, int Used, int Width, string Router, int? SharedWidth);

internal sealed record FactorReport(float Embedding, float Residual, float Scores, float Logits);

internal sealed record RopeReport(double Base, int Dim, string Order, string Scaling, double Factor, int? OriginalContextTokens, bool HasFrequencyFactors)
{
    /// <summary>Whether sequences that may outgrow the original context have other factors; null where they have not.</summary>
    public bool? HasLongFactors { get; init; }
}

/// <param name="Kind">As the file names it: llama, gpt2, BPE and so on.</param>
/// <param name="EndTokens">Every token that ends an answer.</param>
internal sealed record TokenizerReport(string Kind, int VocabularySize, NamedToken? BeginToken, bool AddsBegin, NamedToken[] EndTokens)
{
    /// <summary>Every token that is never drawn; null for none.</summary>
    public NamedToken[]? SuppressedTokens { get; init; }
}

internal sealed record NamedToken(int Id, string Piece);

/// <param name="Name">Where it comes from; null where there is none.</param>
/// <param name="Problem">Why it cannot be used.</param>
internal sealed record TemplateReport(bool Exists, string? Name, string? Problem);

/// <param name="KvMemoryBytes">What the KV cache may take where nothing else is asked for.</param>
/// <param name="Indexes">What policies at their defaults take beside keys and values; those that take nothing are left out.</param>
internal sealed record PlanReport(long WeightBytes, long AvailableBytes, long KvMemoryBytes, KvPlanReport[] Kv, IndexPlanReport[] Indexes)
{
    /// <summary>Of the weights, what a step of one token reads; null where that is all of them but the embedding.</summary>
    public long? ActiveWeightBytes { get; init; }
}

/// <param name="NativeWindowBytes">What a full native window takes.</param>
internal sealed record KvPlanReport(string Kv, long BytesPerToken, long TokensThatFit, long NativeWindowBytes)
{
    /// <summary>What layers with a window take of a sequence, however long it is; null where there are none.</summary>
    public long? WindowBytes { get; init; }
}

/// <param name="BytesPerToken">Of one that fills the native window.</param>
/// <param name="SharedBytes">What all sequences share.</param>
/// <param name="NativeWindowBytes">What a full native window takes, without what is shared.</param>
internal sealed record IndexPlanReport(string Policy, long BytesPerToken, long SharedBytes, long NativeWindowBytes);

internal sealed record TensorTypeReport(string Type, int Count, long Bytes);

/// <param name="Shape">Slowest dimension first: a matrix is [rows, columns].</param>
internal sealed record TensorReport(string Name, string Type, long[] Shape, long Bytes);

/// <summary>How what <c>inspect</c> found becomes JSON.</summary>
[JsonSerializable(typeof(InspectReport))]
[JsonSerializable(typeof(StudyReport))]
internal sealed partial class InspectJson : JsonSerializerContext
{
    private static readonly InspectJson Written = new(ReportJson.Style());

    public static string Text(InspectReport report) => JsonSerializer.Serialize(report, Written.InspectReport);

    public static string Text(StudyReport report) => JsonSerializer.Serialize(report, Written.StudyReport);
}
