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

    /// <summary>[experts]: what each gives is multiplied by these; or none.</summary>
    public float[]? OutputScales { get; init; }

    /// <summary>Where experts have norms of their own; null where they read what the feed-forward part reads.</summary>
    public ExpertNorms? Norms { get; init; }

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

/// <summary>Norms of experts that stand beside a part for every row, each [Width].</summary>
/// <param name="Router">Of what the router reads; its own scale is in it.</param>
/// <param name="Input">Of what the experts read.</param>
/// <param name="Output">Of what they give together.</param>
/// <param name="Shared">Of what the part beside them gives.</param>
public sealed record ExpertNorms(float[] Router, float[] Input, float[] Output, float[] Shared);
