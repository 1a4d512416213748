using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Cache.Slots;
using Kvasir.Cli.Shared;
using Kvasir.Files;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;
using Kvasir.Text;

namespace Kvasir.Cli.Inspect;

/// <summary>Puts an <see cref="InspectReport"/> together.</summary>
internal static class InspectedModel
{
    /// <param name="model">Null for a model that cannot run, for the reason in <paramref name="problem"/>.</param>
    public static InspectReport Report(ModelContents contents, Model? model, string? problem, bool listsTensors) => new(
        contents.Path,
        contents.Format,
        problem,
        model?.Notes ?? [],
        model is null ? null : Shape(model.Config, contents.Tensors),
        model is null ? null : TokenizerOf(model.Tokenizer, contents.TokenizerKind),
        model is null ? null : Template(model),
        model is null ? null : Plan(model),
        Types(contents.Tensors),
        listsTensors ? [.. contents.Tensors.Select(static tensor => new TensorReport(tensor.Name, tensor.Type.ToString(), tensor.Shape, tensor.Bytes))] : null,
        contents.Metadata);

    private static ShapeReport Shape(ModelConfig config, IReadOnlyList<TensorLine> tensors) => new()
    {
        Name = config.Name,
        Architecture = config.Architecture,
        LayerCount = config.LayerCount,
        Width = config.Width,
        FeedForwardWidth = config.FeedForwardWidth,
        HeadCount = config.HeadCount,
        KvHeadCount = config.KvHeadCount,
        HeadDim = config.HeadDim,
        VocabularySize = config.VocabularySize,
        ParameterCount = tensors.Sum(static tensor => tensor.Shape.Aggregate(1L, static (product, length) => product * length)),
        ContextTokens = config.ContextTokens,
        SlidingWindowTokens = config.SlidingWindowTokens,
        TiedEmbedding = config.TiedEmbedding,
        Rope = Rope(config.Rope),
        LayerNotes = [.. LayerNotes.Of(config)],
        FullLayers = config.Attention.FullLayers is null ? null : Layers(config, static layer => layer.SeesAll),
        WindowRope = config.WindowRope is { } rope ? Rope(rope) : null,
        UnrotatedLayers = Layers(config, static layer => !layer.Rotates),
        Experts = config.Layers[0].Experts is { } experts
            ? new ExpertReport(
                experts.Count, experts.Used, experts.Width, ReportJson.Name(experts.Router), experts.HasShared ? config.FeedForwardWidth : null)
            : null,
        LogitCap = config.LogitCap,
        Factors = Factors(config),
    };

    private static int[]? Layers(ModelConfig config, Func<LayerShape, bool> are) =>
        Enumerable.Range(0, config.LayerCount).Where(layer => are(config.Layers[layer])).ToArray() is { Length: > 0 } layers ? layers : null;

    private static FactorReport? Factors(ModelConfig config)
    {
        var residual = config.Layers[0].ResidualScale;
        return config is { EmbeddingScale: 1, LogitScale: 1, ScoreScale: null } && residual == 1
            ? null
            : new FactorReport(config.EmbeddingScale, residual, config.Attention.ScoreScale, config.LogitScale);
    }

    private static RopeReport Rope(RopeConfig rope) => new(
        rope.Base, rope.Dim, ReportJson.Name(rope.Order), ReportJson.Name(rope.Scaling), rope.Factor,
        rope.OriginalContextTokens > 0 ? rope.OriginalContextTokens : null, rope.FrequencyFactors is not null)
    {
        HasLongFactors = rope.LongFrequencyFactors is not null ? true : null,
    };

    private static TokenizerReport TokenizerOf(Tokenizer tokenizer, string kind) => new(
        kind,
        tokenizer.VocabularySize,
        tokenizer.BeginToken is { } begin ? new NamedToken(begin, tokenizer.Piece(begin)) : null,
        tokenizer.AddsBegin,
        [.. tokenizer.EndTokens.Select(token => new NamedToken(token, tokenizer.Piece(token)))])
    {
        SuppressedTokens = tokenizer.SuppressedTokens.Count == 0 ? null
            : [.. tokenizer.SuppressedTokens.Select(token => new NamedToken(token, tokenizer.Piece(token)))],
    };

    private static TemplateReport Template(Model model)
    {
        try
        {
            return new TemplateReport(model.Template is not null, model.Template?.Name, null);
        }
        catch (KvasirException problem)
        {
            return new TemplateReport(true, null, problem.Message);
        }
    }

    private static PlanReport Plan(Model model)
    {
        var (config, available) = (model.Config, ResidentMemory.AvailableBytes());
        // As the engine decides where nothing is asked for.
        var kvMemory = Math.Max(available / 2, 1 << 20);
        return new PlanReport(
            model.Weights.Bytes, available, kvMemory, [.. KvFormat.Table.Select(kv => KvPlan(config, kv, kvMemory))],
            [.. PolicyCatalog.Entries.Select(entry => IndexPlan(config, entry)).Where(static index => index.NativeWindowBytes + index.SharedBytes > 0)])
        {
            ActiveWeightBytes = model.Weights.Experts is null ? null : model.Weights.StepBytes,
        };
    }

    // As the scheduler asks for it.
    private static IndexPlanReport IndexPlan(ModelConfig config, PolicyEntry entry)
    {
        // Of layers that see all: policies have to do with no others.
        var (policy, window, shape) = (new PolicySpec(entry).Create(), config.ContextTokens, config.Attention.Full());
        // An answer of a token or more: what is generated has an index of its own under some.
        var bytes = policy.IndexBytesAt(shape, window - 1, window, window);
        return new IndexPlanReport(entry.Name, (bytes + window - 1) / window, policy.SharedIndexBytes(shape), bytes);
    }

    private static KvPlanReport KvPlan(ModelConfig config, KvFormat kv, long kvMemory)
    {
        var shape = config.Attention;
        var places = new KvPlaces(shape, kv);
        var (page, full) = ((long)places.Layout.Bytes, shape.FullLayerCount * config.KvHeadCount);
        var perToken = full * page / PagePool.PageTokens;
        // Every head holds whole pages; those with a window what it reaches, and what comes in a step.
        var windowed = Math.Min(config.ContextTokens, (shape.WindowTokens ?? 0) + (long)new EngineOptions().BatchTokens + PagePool.PageTokens);
        var windows = (places.ListCount - full) * page * windowed / PagePool.PageTokens;
        var fit = perToken == 0 ? config.ContextTokens : Math.Max(0, kvMemory - windows) / (perToken * PagePool.PageTokens) * PagePool.PageTokens;
        return new KvPlanReport(kv.Name, perToken, fit, (perToken * config.ContextTokens) + windows) { WindowBytes = windows > 0 ? windows : null };
    }

    private static TensorTypeReport[] Types(IReadOnlyList<TensorLine> tensors) =>
    [
        .. from tensor in tensors
           group tensor by tensor.Type into kind
           let bytes = kind.Sum(static tensor => tensor.Bytes)
           orderby bytes descending
           select new TensorTypeReport(kind.Key.ToString(), kind.Count(), bytes),
    ];
}

/// <summary>A tensor of either format.</summary>
/// <param name="Shape">Slowest dimension first: a matrix is [rows, columns].</param>
internal sealed record TensorLine(string Name, WeightType Type, long[] Shape, long Bytes);
