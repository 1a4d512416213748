using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>How tokens are drawn. What is not typed is as the model's makers say, and after them as <see cref="SamplingOptions"/> says.</summary>
internal sealed class SamplingFlags
{
    private static readonly SamplingOptions Defaults = new();

    private readonly Option<double?> _temperature = Typed.Number(
        "--temperature", Text($"Randomness, from 0 (the most probable token, always) to 100 [default: the model's, else {Defaults.Temperature}]"), 0, 100);

    private readonly Option<int?> _topK = Typed.Whole(
        "--top-k", $"Draw among this many most probable tokens; 0 for all [default: the model's, else {Defaults.TopK}]", 0, int.MaxValue);

    private readonly Option<double?> _topP = Typed.Number(
        "--top-p", Text($"Draw among the most probable tokens that hold this much probability, above 0 to 1 [default: the model's, else {Defaults.TopP}]"), 1e-6, 1);

    private readonly Option<double?> _minP = Typed.Number(
        "--min-p", Text($"Drop tokens less probable than this share of the most probable one's, 0 to 1 [default: the model's, else {Defaults.MinP}]"), 0, 1);

    private readonly Option<double?> _repeatPenalty = Typed.Number(
        "--repeat-penalty", $"Make the last {Defaults.RepetitionWindow} tokens less probable, 0.001 to 100; 1 is off [default: the model's, else 1]", 1e-3, 100);

    private readonly Option<double?> _presencePenalty = Typed.Number(
        "--presence-penalty", "Taken from the logit of every token that the answer has, -2 to 2 [default: 0]", -2, 2);

    private readonly Option<double?> _frequencyPenalty = Typed.Number(
        "--frequency-penalty", "Taken from a token's logit for each time that the answer has it, -2 to 2 [default: 0]", -2, 2);

    private readonly Option<Dictionary<int, float>> _logitBias = new("--logit-bias")
    {
        HelpName = "ID=VALUE",
        Description = "Added to the logit of token ID, -100 (never) to 100; may be repeated",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = ParseBias,
    };

    private readonly Option<ulong?> _seed = Typed.Parsed<ulong?>(
        "--seed", "N", "The same seed, prompt, options and threads give the same answer [default: a fresh one, reported at the end]", "a whole number from 0 to 2^64 - 1",
        text => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seed) ? seed : null);

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_temperature, _topK, _topP, _minP, _repeatPenalty, _presencePenalty, _frequencyPenalty, _logitBias, _seed])
            command.Options.Add(option);
    }

    /// <param name="defaults">What holds where nothing is typed.</param>
    public SamplingOptions Read(ParseResult typed, SamplingOptions defaults) => defaults with
    {
        Temperature = (float?)typed.GetValue(_temperature) ?? defaults.Temperature,
        TopK = typed.GetValue(_topK) ?? defaults.TopK,
        TopP = (float?)typed.GetValue(_topP) ?? defaults.TopP,
        MinP = (float?)typed.GetValue(_minP) ?? defaults.MinP,
        RepetitionPenalty = (float?)typed.GetValue(_repeatPenalty) ?? defaults.RepetitionPenalty,
        PresencePenalty = (float?)typed.GetValue(_presencePenalty) ?? defaults.PresencePenalty,
        FrequencyPenalty = (float?)typed.GetValue(_frequencyPenalty) ?? defaults.FrequencyPenalty,
        LogitBias = typed.GetValue(_logitBias) ?? defaults.LogitBias,
        Seed = typed.GetValue(_seed),
    };

    private static string Text(FormattableString text) => FormattableString.Invariant(text);

    private static Dictionary<int, float> ParseBias(ArgumentResult result)
    {
        var biases = new Dictionary<int, float>();
        foreach (var token in result.Tokens)
        {
            var parts = token.Value.Split('=');
            if (parts.Length == 2
                && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var id)
                && float.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out var bias) && bias is >= -100 and <= 100)
                biases[id] = bias;
            else
                Typed.Refuse(result, "--logit-bias", token.Value, "of the form ID=VALUE with a token's id and a number from -100 to 100");
        }

        return biases;
    }
}
