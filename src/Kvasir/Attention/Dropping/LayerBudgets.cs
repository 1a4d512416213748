using System.Text.Json;
using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Dropping;

/// <summary>
/// Which share of its rows each layer keeps where all of them together keep a share: what <c>kvasir calibrate --for xkv</c> finds out from somebody's own
/// prompts. A file is a JSON object that names the model and has an array of numbers for each layer: those kept at 1, 2 and so on to 100 percent.
/// </summary>
internal sealed class LayerBudgets
{
    /// <summary>Shares of the whole that there are numbers for: i + 1 of so many.</summary>
    public const int Steps = 100;

    private const string Format = "kvasir-layer-budgets";
    private const string SharesName = "shares";

    // [layers, steps]
    private readonly double[] _shares;

    /// <param name="shares">[layers, <see cref="Steps"/>], each in [0, 1].</param>
    public LayerBudgets(string model, int layerCount, int kvHeadCount, int dim, double[] shares)
    {
        Invariant.Holds(shares.Length == layerCount * Steps);
        (Model, LayerCount, KvHeadCount, Dim, _shares) = (model, layerCount, kvHeadCount, dim, shares);
    }

    /// <summary>As it was called when it was sampled.</summary>
    public string Model { get; }

    public int LayerCount { get; }

    public int KvHeadCount { get; }

    public int Dim { get; }

    /// <exception cref="KvasirException">The file is missing, damaged, or holds something else.</exception>
    public static LayerBudgets Load(string path)
    {
        var fields = JsonFields.Read(path, new Notes());
        if (fields.String("format") is var format && format != Format)
            throw fields.Bad("format", $"is {MessageText.Name(format ?? "missing")}; {Format} was expected, which kvasir calibrate --for xkv writes");
        var layers = fields.RequiredCount("layers", ConfigFields.LayerLimit);
        var shares = new double[layers * Steps];
        var byLayer = fields.Object(SharesName) ?? throw fields.Missing(SharesName);
        for (var layer = 0; layer < layers; layer++)
        {
            var own = byLayer.Numbers($"{layer}") ?? throw byLayer.Missing($"{layer}");
            if (own.Length != Steps)
                throw byLayer.Bad($"{layer}", $"has {own.Length} numbers; {Steps} were expected");
            if (Array.FindIndex(own, static share => share is < 0 or > 1) is var at and >= 0)
                throw byLayer.Bad($"{layer}", $"holds {own[at]}; 0 to 1 is allowed");
            own.CopyTo(shares, layer * Steps);
        }

        var kvHeads = fields.RequiredCount("kv_heads", ConfigFields.HeadLimit);
        return new LayerBudgets(fields.String("model") ?? "", layers, kvHeads, fields.RequiredCount("head_dim", ConfigFields.HeadDimLimit), shares);
    }

    /// <summary>The share that a layer keeps where all keep <paramref name="share"/>: between two numbers of the file what lies between.</summary>
    public double Of(int layer, double share)
    {
        var at = Math.Clamp(share, 0, 1) * Steps;
        var whole = Math.Min((int)at, Steps - 1);
        var (below, above) = (whole == 0 ? 0 : _shares[(layer * Steps) + whole - 1], _shares[(layer * Steps) + whole]);
        return below + ((above - below) * (at - whole));
    }

    /// <exception cref="KvasirException">They are of a model of another shape; the message names both.</exception>
    public void RequireFits(string path, AttentionShape shape)
    {
        if ((LayerCount, KvHeadCount, Dim) != (shape.LayerCount, shape.KvHeadCount, shape.Dim))
        {
            throw new KvasirException(
                KvasirError.BadOption,
                $"{path} is of {MessageText.Name(Model)} with {LayerCount} layers of {KvHeadCount} KV heads of {Dim}; "
                    + $"this model has {shape.LayerCount} of {shape.KvHeadCount} of {shape.Dim}");
        }
    }

    /// <param name="prompts">That were sampled.</param>
    /// <param name="tokens">That they had.</param>
    /// <exception cref="KvasirException">The file cannot be written.</exception>
    public void Save(string path, int prompts, long tokens)
    {
        try
        {
            using var stream = File.Create(path);
            using var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
            writer.WriteStartObject();
            writer.WriteString("format", Format);
            writer.WriteString("model", Model);
            writer.WriteNumber("layers", LayerCount);
            writer.WriteNumber("kv_heads", KvHeadCount);
            writer.WriteNumber("head_dim", Dim);
            writer.WriteNumber("prompts", prompts);
            writer.WriteNumber("tokens", tokens);
            writer.WriteStartObject(SharesName);
            for (var layer = 0; layer < LayerCount; layer++)
            {
                writer.WriteStartArray($"{layer}");
                foreach (var share in _shares.AsSpan(layer * Steps, Steps))
                    writer.WriteNumberValue(Math.Round(share, 6));
                writer.WriteEndArray();
            }

            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} cannot be written: {MessageText.Line(problem.Message)}", problem);
        }
    }
}
