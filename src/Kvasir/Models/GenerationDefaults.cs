namespace Kvasir.Models;

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
    private const double PenaltyLimit = 100;

    /// <param name="folder">A Hugging Face style folder; one without generation_config.json gives no defaults.</param>
    /// <exception cref="KvasirException">The file is damaged or a value is out of its range.</exception>
    public static GenerationDefaults FromFolder(string folder)
    {
        var path = Path.Combine(folder, "generation_config.json");
        if (!File.Exists(path))
            return new GenerationDefaults();
        var fields = JsonFields.Read(path);
        return new GenerationDefaults(
            fields.Boolean("do_sample"),
            Within(fields, "temperature", 0, TemperatureLimit),
            Within(fields, "top_p", Least, 1),
            (int?)Within(fields, "top_k", 0, int.MaxValue),
            Within(fields, "min_p", 0, 1),
            Within(fields, "repetition_penalty", Least, PenaltyLimit));
    }

    private static double? Within(JsonFields fields, string key, double least, double most)
    {
        if (fields.Number(key) is not { } value)
            return null;
        return value >= least && value <= most ? value : throw fields.Bad(key, $"is {value}; {least} to {most} is allowed");
    }
}
