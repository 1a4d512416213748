namespace Kvasir.Models;

/// <summary>
/// Layers that are read from their file whenever a step comes to them, or experts that are when a step chooses them (<see cref="ModelOptions.MemoryBytes"/>).
/// </summary>
/// <param name="LayerCount">How many layers are read, or have experts that are.</param>
/// <param name="StepBytes">What a step reads of them; of experts what a token's take, of which those are not read that are there.</param>
public sealed record StreamedWeights(int LayerCount, long StepBytes)
{
    /// <summary>So far.</summary>
    public long BytesRead { get; init; }

    /// <summary>Time that steps have waited for them.</summary>
    public double WaitedMs { get; init; }

    /// <summary>For how many experts there is a place in memory, over all layers; 0 where layers are read whole.</summary>
    public int ExpertPlaces { get; init; }

    /// <summary>Of how many.</summary>
    public int ExpertCount { get; init; }

    /// <summary>How many experts steps have chosen, each once in a layer of a step.</summary>
    public long ExpertsChosen { get; init; }

    /// <summary>Of these, how many were there.</summary>
    public long ExpertsThere { get; init; }

    /// <summary>Why they go through the system's page cache, which takes memory beside; null where they do not.</summary>
    public string? WhyCached { get; init; }
}
