namespace Kvasir.Forward;

/// <summary>What a <see cref="LinearProduct"/> does with its results while they are warm.</summary>
internal enum LinearEpilogue
{
    None,

    /// <summary>Adds them to the residual stream.</summary>
    Residual,

    /// <summary>Combines the first two targets by SwiGLU.</summary>
    Gated,
}
