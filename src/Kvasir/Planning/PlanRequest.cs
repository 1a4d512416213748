using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;

namespace Kvasir.Planning;

/// <summary>What is to fit, and into what.</summary>
/// <param name="ContextTokens">Of each sequence, prompt and answer.</param>
/// <param name="Batch">Sequences side by side; 0 for as many as are fastest together, of 1, 2, 4 and so on to 64.</param>
/// <param name="MemoryBytes">For everything: weights, keys and values, scratch, the runtime.</param>
/// <param name="DiskBytes">For keys and values; 0 for none.</param>
public sealed record PlanRequest(int ContextTokens, int Batch, long MemoryBytes, long DiskBytes)
{
    /// <summary>What is chosen among the ways that fit.</summary>
    public PlanTarget Target { get; init; }

    /// <summary>The only format of keys and values; null for any.</summary>
    public KvFormat? Kv { get; init; }

    /// <summary>Threads that compute; 0 for the machine's.</summary>
    public int Threads { get; init; }

    /// <summary>By which it is reckoned what a step finds in memory; null for texts that the bundled model has read.</summary>
    public PageTrace? Trace
    {
        get;
        init
        {
            field = value;
            Hits = value is null ? HitCurve.OfTexts : HitCurve.Of(value);
        }
    }

    /// <summary>What part of a store's pages a step finds in memory: that of texts, unless somebody knows better.</summary>
    internal HitCurve Hits { get; init; } = HitCurve.OfTexts;
}

/// <summary>What a plan is to be good at. No target takes a way that loses answers while one fits that does not.</summary>
public enum PlanTarget
{
    /// <summary>The most exact way of those at least half as fast as the fastest.</summary>
    Quality,

    /// <summary>The fastest.</summary>
    Speed,

    /// <summary>The way that needs least memory, of those at least half as fast as the fastest; and of memory no more than that takes.</summary>
    Memory,
}
