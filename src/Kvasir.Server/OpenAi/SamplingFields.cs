using System.Globalization;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;

namespace Kvasir.Server.OpenAi;

/// <summary>What chat and completions say about drawing and stopping, in the same words.</summary>
internal static class SamplingFields
{
    private const int MostStops = 16;
    private const int MostStopBytes = 256;
    private const int MostBiases = 1024;

    /// <summary>Reads all but log-probabilities, which the two spell differently.</summary>
    /// <param name="maxTokens">Null for as many as the context has room for.</param>
    public static GenerationOptions Read(RequestFields body, ServedModel model, int? maxTokens) => new()
    {
        MaxTokens = maxTokens,
        Sampling = Sampling(body, model),
        Stop = Stops(body.Find("stop")),
        IgnoreEnd = body.Find("ignore_eos")?.Flag() ?? false,
    };

    /// <summary>A limit, which null or -1 leaves to the context. What has no room is cut there: a limit is no promise.</summary>
    public static int? Limit(RequestValue? value, int least)
    {
        if (value is null || value.Whole(-1, long.MaxValue) is var tokens && tokens == -1)
            return null;
        return (int)Math.Min(int.MaxValue, value.Whole(least, long.MaxValue));
    }

    /// <summary>How many choices; 1 where nobody says.</summary>
    public static int Choices(RequestFields body, int most) => (int)(body.Find("n")?.Whole(1, most) ?? 1);

    private static SamplingOptions Sampling(RequestFields body, ServedModel model)
    {
        var defaults = model.Defaults;
        return defaults with
        {
            Temperature = Number(body.Find("temperature"), 0, 100) ?? defaults.Temperature,
            TopP = TopP(body.Find("top_p")) ?? defaults.TopP,
            TopK = TopK(body.Find("top_k")) ?? defaults.TopK,
            MinP = Number(body.Find("min_p"), 0, 1) ?? defaults.MinP,
            RepetitionPenalty = Number(body.Find("repetition_penalty", "repeat_penalty"), 1e-3, 100) ?? defaults.RepetitionPenalty,
            RepetitionWindow = (int?)body.Find("repetition_window", "repeat_last_n")?.Whole(-1, int.MaxValue) is { } window
                ? Math.Max(0, window) : defaults.RepetitionWindow,
            PresencePenalty = Number(body.Find("presence_penalty"), -2, 2) ?? defaults.PresencePenalty,
            FrequencyPenalty = Number(body.Find("frequency_penalty"), -2, 2) ?? defaults.FrequencyPenalty,
            LogitBias = Bias(body.Find("logit_bias"), model),
            Seed = body.Find("seed") is { } seed ? unchecked((ulong)seed.Whole(long.MinValue, long.MaxValue)) : null,
        };
    }

    private static float? Number(RequestValue? value, double least, double most) => (float?)value?.Number(least, most);

    // The least is what leaves a token to draw.
    private static float? TopP(RequestValue? value) => value is null ? null
        : Number(value, 0, 1) is > 0 and var share ? share : throw value.Refused($"{value.Path} is 0; it must be above 0 and at most 1");

    // Some clients write -1 for all.
    private static int? TopK(RequestValue? value) => value is null ? null : (int)Math.Max(0, value.Whole(-1, int.MaxValue));

    private static Dictionary<int, float> Bias(RequestValue? value, ServedModel model)
    {
        var biases = new Dictionary<int, float>();
        var size = model.Model.Config.VocabularySize;
        foreach (var (name, bias) in value?.Object().All(MostBiases) ?? [])
        {
            if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var token) || token >= size
                || !biases.TryAdd(token, (float)bias.Number(-100, 100)))
                throw bias.Refused(
                    $"{value!.Path} names token '{RequestValue.Short(name)}'; the vocabulary has 0 to {size - 1}, each of which may be named once");
        }

        return biases;
    }

    /// <summary>A text, or a list of them; none for null and an empty one.</summary>
    public static string[] Stops(RequestValue? value)
    {
        if (value is null || (value.IsText && value.Text().Length == 0))
            return [];
        return value.IsText ? [value.ShortText(MostStopBytes)]
            : value.IsList ? [.. value.Items(MostStops).Select(static item => item.ShortText(MostStopBytes))]
            : throw value.Wrong("a string or a list of strings");
    }
}
