using Kvasir.Files;

namespace Kvasir.Models.Configs;

/// <summary>How a model's makers want it sampled; null where they do not say.</summary>
/// <param name="DoSample">False for greedy.</param>
/// <param name="Temperature">0 or more.</param>
/// <param name="TopP">Above 0, at most 1.</param>
/// <param name="TopK">Tokens to choose from; 0 is all.</param>
/// <param name="MinP">From 0 to 1.</param>
/// <param name="RepetitionPenalty">Above 0; 1 is none.</param>
public sealed record GenerationDefaults(
    bool? DoSample = null, double? Temperature = null, double? TopP = null, int? TopK = null, double? MinP = null, double? RepetitionPenalty = null)
{
    private const double Least = 1e-6;
    private const double TemperatureLimit = 100;
    private const double PenaltyLeast = 1e-3;
    private const double PenaltyLimit = 100;

    /// <param name="folder">A Hugging Face style folder; one without generation_config.json gives no defaults.</param>
    /// <param name="notes">Takes a line for each value that is out of its range, and counts as absent; null for nobody.</param>
    public static GenerationDefaults FromFolder(string folder, Notes? notes = null)
    {
        notes ??= new Notes();
        var path = Path.Combine(folder, "generation_config.json");
        // All that it says is advice, and so is the file.
        if (!File.Exists(path) || notes.Advice(() => JsonFields.Read(path, notes), null) is not { } fields)
            return new GenerationDefaults();
        return new GenerationDefaults(
            notes.Advice(() => fields.Boolean("do_sample"), null),
            Within(fields, "temperature", 0, TemperatureLimit),
            Within(fields, "top_p", Least, 1),
            notes.Advice(() => TopKOf(fields), null),
            Within(fields, "min_p", 0, 1),
            Within(fields, "repetition_penalty", PenaltyLeast, PenaltyLimit));
    }

    private static double? Within(JsonFields fields, string key, double least, double most) => fields.Notes.Advice(
        () => fields.Number(key) is not { } value || (value >= least && value <= most)
            ? fields.Number(key)
            : throw fields.Bad(key, $"is {value}; {least} to {most} is allowed"),
        null);

    // Tools write -1 for all tokens as well.
    private static int? TopKOf(JsonFields fields) => fields.Integer("top_k") switch
    {
        null => null,
        -1 => 0,
        >= 0 and <= int.MaxValue and var count => (int)count,
        var other => throw fields.Bad("top_k", $"is {other}; 0 to {int.MaxValue} is allowed"),
    };
}
