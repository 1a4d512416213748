using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Files;

namespace Kvasir.Planning;

/// <summary>What was asked for, the ways that fit, and which was chosen: a file that runs can be told to obey.</summary>
public sealed record TierPlan
{
    private const int CurrentVersion = 1;
    private const long LimitBytes = 16 << 20;

    public int Version { get; init; } = CurrentVersion;

    public required string Model { get; init; }

    /// <summary>What tells the model from any other.</summary>
    public required string Fingerprint { get; init; }

    public required int ContextTokens { get; init; }

    /// <summary>Sequences side by side.</summary>
    public required int Batch { get; init; }

    /// <summary>For everything.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>For keys and values; 0 for none.</summary>
    public required long DiskBytes { get; init; }

    public required PlanTarget Target { get; init; }

    /// <summary>Where rows are to lie that memory has no place for; null where the plan needs none, or leaves it to whoever obeys.</summary>
    public string? KvDirectory { get; init; }

    /// <summary>From the most exact on.</summary>
    public required IReadOnlyList<PlannedWay> Ways { get; init; }

    /// <summary>
    /// What placements of others would make of the same memory and disk, to be measured against: none of them is chosen. Empty where memory holds all.
    /// </summary>
    public IReadOnlyList<PlannedWay> Others { get; init; } = [];

    public required MachineFigures Machine { get; init; }

    /// <summary>What is to be done.</summary>
    [JsonIgnore]
    public PlannedWay Chosen => Ways.First(static way => way.IsChosen);

    /// <summary>Reads what <see cref="Text"/> wrote.</summary>
    /// <exception cref="KvasirException">The file is missing, no plan, or of another version.</exception>
    public static TierPlan Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        try
        {
            var plan = JsonSerializer.Deserialize(PlainText.ReadFile(path, LimitBytes), PlanningJson.Default.TierPlan) ?? throw new JsonException("it is null");
            if (plan.Version != CurrentVersion)
                throw new JsonException($"its version is {plan.Version}, and this program reads {CurrentVersion}");
            plan.RequireSound();
            plan.Machine.RequireSound(path);
            return plan;
        }
        catch (JsonException problem)
        {
            throw new KvasirException(KvasirError.BadFile, $"{MessageText.Line(path)} is no plan, as kvasir plan --out writes: {problem.Message}", problem);
        }
    }

    /// <summary>As JSON.</summary>
    public string Text() => JsonSerializer.Serialize(this, PlanningJson.Default.TierPlan);

    /// <summary>Holds a model against the one that was planned for.</summary>
    /// <param name="path">Of the plan, for the message.</param>
    /// <exception cref="KvasirException">It is another.</exception>
    public void RequireFits(ModelSizes model, string path)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.Fingerprint != Fingerprint)
            throw new KvasirException(
                KvasirError.BadOption,
                $"{MessageText.Line(path)} is a plan for {MessageText.Line(Model)} ({Short(Fingerprint)}), "
                    + $"and this is {model.Name} ({Short(model.Fingerprint)})");
    }

    // What an engine is told to obey: it would blame an option that nobody has typed.
    private void RequireSound()
    {
        if (Ways.Contains(null!) || Ways.Count(static way => way.IsChosen) != 1)
            throw new JsonException("one way of it has to be chosen");
        Require(ContextTokens, 1, int.MaxValue, "contextTokens");
        Require(Batch, 1, int.MaxValue, "batch");
        Require(MemoryBytes, 1, long.MaxValue, "memoryBytes");
        Require(DiskBytes, 0, long.MaxValue, "diskBytes");
        Require(Chosen.KvMemoryBytes, 1, long.MaxValue, "kvMemoryBytes of the chosen way");
        Require(Chosen.WeightsMemoryBytes, 0, long.MaxValue, "weightsMemoryBytes of the chosen way");
        Require(Chosen.DiskBytes, 0, long.MaxValue, "diskBytes of the chosen way");
        if (!Enum.IsDefined(Target) || KvDirectory is { Length: 0 })
            throw new JsonException(KvDirectory is null ? $"its target is {(int)Target}, which there is not" : "its kvDirectory is an empty name");

        static void Require(long value, long least, long most, string key)
        {
            if (value < least || value > most)
                throw new JsonException($"its {key} is {value}, and must be from {least} to {most}");
        }
    }

    private static string Short(string fingerprint) => MessageText.Line(fingerprint[..Math.Min(12, fingerprint.Length)]);
}
