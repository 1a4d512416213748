namespace Kvasir;

/// <summary>
/// How long the rows of a sequence's beginning are worth keeping: for so long they go after all others when somebody needs the memory. The time begins when the
/// sequence ends, and anew whenever another finds them. What all of an engine's sequences keep so is bounded by <see cref="EngineOptions.KeptShare"/>; beyond
/// it those with the least time left go as others do, of the <see cref="GenerationOptions.Tenant"/> that keeps most.
/// </summary>
/// <param name="Tokens">Of the prompt and the answer, from the first, at least 1; what is behind the last whole column of 32 is not kept.</param>
/// <param name="Time">From 1 ms to 24 days.</param>
public readonly record struct KeptPrefix(int Tokens, TimeSpan Time)
{
    /// <summary>All of the prompt and its answer.</summary>
    public static KeptPrefix Whole(TimeSpan time) => new(int.MaxValue, time);
}
