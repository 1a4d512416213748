using Kvasir.Kernels.Matrix;

namespace Kvasir.Models;

/// <summary>The weights of a layer's experts, each a plain matrix [outputs, inputs].</summary>
public sealed record ExpertWeights
{
    /// <summary>[experts, Width].</summary>
    public required WeightMatrix Router { get; init; }

    /// <summary>Of each expert, [expert width, Width].</summary>
    public required WeightMatrix[] Gate { get; init; }

    /// <summary>Of each expert, [expert width, Width].</summary>
    public required WeightMatrix[] Up { get; init; }

    /// <summary>Of each expert, [Width, expert width].</summary>
    public required WeightMatrix[] Down { get; init; }

    /// <summary>[experts] or none.</summary>
    public float[]? RouterBias { get; init; }

    /// <summary>[experts, expert width] or none.</summary>
    public float[]? GateBias { get; init; }

    /// <summary>[experts, expert width] or none.</summary>
    public float[]? UpBias { get; init; }

    /// <summary>[experts, Width] or none.</summary>
    public float[]? DownBias { get; init; }

    /// <summary>Bytes of all experts.</summary>
    public long Bytes
    {
        get
        {
            var bytes = 0L;
            foreach (var matrices in (ReadOnlySpan<WeightMatrix[]>)[Gate, Up, Down])
            {
                foreach (var matrix in matrices)
                    bytes += matrix.Bytes;
            }

            return bytes;
        }
    }
}
