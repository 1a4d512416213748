namespace Kvasir.Models;

/// <summary>Layers that are read from their file whenever a step comes to them (<see cref="ModelOptions.MemoryBytes"/>).</summary>
/// <param name="LayerCount">How many.</param>
/// <param name="StepBytes">What a step reads of them.</param>
public sealed record StreamedWeights(int LayerCount, long StepBytes)
{
    /// <summary>So far.</summary>
    public long BytesRead { get; init; }

    /// <summary>Time that steps have waited for them.</summary>
    public double WaitedMs { get; init; }

    /// <summary>Why they go through the system's page cache, which takes memory beside; null where they do not.</summary>
    public string? WhyCached { get; init; }
}
