namespace Kvasir.Cache;

/// <summary>What memory of a <see cref="MemoryBudget"/> is for.</summary>
public enum MemoryUse
{
    /// <summary>Slabs of cached keys and values, whether their pages are in use or free.</summary>
    Pages,

    /// <summary>Indexes of attention policies, as they are or as they were promised.</summary>
    Indexes,

    /// <summary>Pages that are being written, in floats, of formats that need them.</summary>
    OpenPages,

    /// <summary>Activations, and what workers attend in.</summary>
    Scratch,
}
