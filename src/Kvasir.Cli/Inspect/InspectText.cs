using System.Globalization;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Inspect;

/// <summary>An <see cref="InspectReport"/> for people.</summary>
internal static class InspectText
{
    public static void Write(InspectReport report, TextWriter output)
    {
        var sections = new TextSections(output);
        sections.Write(report.Shape is { } named ? $"{Printable.Line(named.Name)} ({named.Architecture})" : "cannot run here", Model(report));
        if (report.Notes.Count > 0)
            sections.Write("passed over", [.. report.Notes.Select(static note => new[] { Printable.Line(note) })]);
        if (report.Tokenizer is { } tokenizer)
            sections.Write("tokenizer", Tokenizer(tokenizer, report.Template!));
        if (report.Plan is { } plan)
        {
            sections.Write(
                "memory",
                [
                    ["weights", $"{SizeText.Bytes(plan.WeightBytes)}{Active(plan)}"], ["available", SizeText.Bytes(plan.AvailableBytes)],
                    ["for the KV cache", $"{SizeText.Bytes(plan.KvMemoryBytes)} unless --kv-memory says otherwise"],
                ]);
            sections.Write("KV cache", [["type", "per token", "tokens that fit", "native window"], .. plan.Kv.Select(Kv)]);
            sections.Write("indexes beside it", [["attention", "per token", "native window", "shared by all"], .. plan.Indexes.Select(Index)]);
        }

        sections.Write(
            "tensors",
            [
                ["type", "count", "size"],
                .. report.TensorTypes.Select(static type => new[] { type.Type, SizeText.Count(type.Count), SizeText.Bytes(type.Bytes) }),
            ]);
        if (report.Tensors is { } tensors)
            sections.Write("all tensors", [["name", "type", "size", "shape"], .. tensors.Select(Tensor)]);
        sections.Write("metadata", [.. report.Metadata.Select(static field => new[] { Printable.Line(field.Key), ShortValue.Line(field.Value) })]);
    }

    private static List<string[]> Model(InspectReport report)
    {
        var rows = new List<string[]> { new[] { report.Format == "gguf" ? "file" : "folder", Printable.Line(report.Path) } };
        if (report.Problem is not null)
            rows.Add(["problem", Printable.Line(report.Problem)]);
        if (report.Shape is not { } shape)
            return rows;
        rows.Add(["parameters", Parameters(shape.ParameterCount)]);
        rows.Add(["layers", $"{shape.LayerCount}, width {shape.Width}, {FeedForward(shape)}"]);
        rows.Add(["heads", $"{shape.HeadCount} over {shape.KvHeadCount} KV heads of {shape.HeadDim}"]);
        rows.Add(["output", shape.TiedEmbedding ? "tied to the embedding" : "a matrix of its own"]);
        rows.Add(
            [
                "native window",
                $"{SizeText.Count(shape.ContextTokens)} tokens"
                    + $"{(shape.SlidingWindowTokens is { } window ? $", of which {SizeText.Count(window)} are seen at once" : "")}"
                    + $"{(shape.FullLayers is { } full ? $", but all in layers {string.Join(", ", full)}" : "")}",
            ]);
        rows.Add(["RoPE", Rope(shape.Rope)]);
        if (shape.WindowRope is { } windowed)
            rows.Add(["", $"in layers with a window {Rope(windowed)}"]);
        if (shape.UnrotatedLayers is { } unrotated)
            rows.Add(["", $"no positions in {(unrotated.Length == shape.LayerCount ? "any layer" : $"layers {string.Join(", ", unrotated)}")}"]);
        if (shape.LayerNotes.Length > 0)
            rows.Add(["each layer", string.Join("; ", shape.LayerNotes)]);
        if (shape.LogitCap is { } cap)
            rows.Add(["logits", string.Create(CultureInfo.InvariantCulture, $"capped at {cap}")]);
        if (shape.Factors is { } factors)
        {
            rows.Add(
                [
                    "factors",
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"embedding x {factors.Embedding:G4}, what layers add x {factors.Residual:G4}, "
                            + $"scores x {factors.Scores:G4}, logits x {factors.Logits:G4}"),
                ]);
        }

        return rows;
    }

    private static string Active(PlanReport plan) =>
        plan.ActiveWeightBytes is { } active ? $", of which a token reads {SizeText.Bytes(active)}" : "";

    private static string FeedForward(ShapeReport shape) => shape.Experts is not { } experts
        ? $"feed-forward {shape.FeedForwardWidth}"
        : $"{experts.Count} experts of {experts.Width}, of which a token goes through {experts.Used}"
            + (experts.SharedWidth is { } shared ? $", and a shared part of {shared}" : "");

    private static string Rope(RopeReport rope)
    {
        var scaling = rope.Scaling == "none" ? "no scaling" : string.Create(CultureInfo.InvariantCulture, $"{rope.Scaling} scaling by {rope.Factor}");
        var original = rope.OriginalContextTokens is { } tokens ? $" from {SizeText.Count(tokens)} tokens" : "";
        var factors = rope.HasLongFactors == true ? ", a factor for each frequency, others for sequences that may outgrow that"
            : rope.HasFrequencyFactors ? ", a factor for each frequency" : "";
        return string.Create(CultureInfo.InvariantCulture, $"base {rope.Base}, {rope.Dim} dimensions in {rope.Order} order, {scaling}{original}{factors}");
    }

    private static string Parameters(long count) => count switch
    {
        >= 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{count / 1e9:F2} billion"),
        >= 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{count / 1e6:F1} million"),
        _ => SizeText.Count(count),
    };

    private static List<string[]> Tokenizer(TokenizerReport tokenizer, TemplateReport template) =>
    [
        ["kind", Printable.Line(tokenizer.Kind)],
        ["vocabulary", $"{SizeText.Count(tokenizer.VocabularySize)} tokens"],
        ["begin", tokenizer.BeginToken is { } begin ? $"{Named(begin)}{(tokenizer.AddsBegin ? "" : ", not added by itself")}" : "none"],
        ["end", tokenizer.EndTokens.Length == 0 ? "none" : string.Join(", ", tokenizer.EndTokens.Select(Named))],
        .. tokenizer.SuppressedTokens is { } suppressed ? [["never drawn", string.Join(", ", suppressed.Select(Named))]] : Array.Empty<string[]>(),
        [
            "chat template",
            template.Problem is { } problem ? $"unusable: {Printable.Line(problem)}"
                : template.Exists ? $"yes, {Printable.Line(template.Name!)}"
                : "none: completes text only",
        ],
    ];

    private static string Named(NamedToken token) => $"{Printable.Line(token.Piece)} ({token.Id})";

    private static string[] Kv(KvPlanReport kv) =>
        [kv.Kv, SizeText.Bytes(kv.BytesPerToken), SizeText.Count(kv.TokensThatFit), SizeText.Bytes(kv.NativeWindowBytes)];

    private static string[] Index(IndexPlanReport index) =>
        [index.Policy, SizeText.Bytes(index.BytesPerToken), SizeText.Bytes(index.NativeWindowBytes), SizeText.Bytes(index.SharedBytes)];

    private static string[] Tensor(TensorReport tensor) =>
        [Printable.Line(tensor.Name), tensor.Type, SizeText.Bytes(tensor.Bytes), $"[{string.Join(", ", tensor.Shape)}]"];
}
