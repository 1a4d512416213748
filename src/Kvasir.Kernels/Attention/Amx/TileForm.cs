namespace Kvasir.Kernels.Attention.Amx;

/// <summary>How cached rows become tiles of bf16 numbers.</summary>
internal enum TileForm
{
    /// <summary>Not at all: they are finer than such numbers.</summary>
    None,

    /// <summary>Widened and rounded.</summary>
    Narrowed,

    /// <summary>Their codes are such numbers.</summary>
    AsStored,
}
