using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>Products of packed weights: panels outermost, so that weights are read from memory once for the part of the batch in the cache.</summary>
internal static unsafe class PackedProduct
{
    // A part of the batch stays in the second cache level while the panels pass.
    private const int PartBytes = 512 << 10;

    /// <param name="weights">Packed.</param>
    /// <param name="firstRow">A multiple of 32.</param>
    /// <param name="rowCount">A multiple of 32 unless the matrix ends there.</param>
    /// <param name="activations">Tiles of the batch.</param>
    /// <param name="batch">At least 1.</param>
    /// <param name="results">Of row <paramref name="firstRow"/>.</param>
    /// <param name="resultStride">Elements.</param>
    public static void Run(in WeightMatrix weights, int firstRow, int rowCount, byte* activations, int batch, float* results, int resultStride)
    {
        var format = PackedWeights.Format(weights.Type);
        var blocks = weights.Columns / WeightLayout.BlockElements(weights.Type);
        var panelBytes = PackedWeights.PanelBytes(format, weights.Columns);
        var rowBytes = (long)blocks * ActivationTile.BlockBytes(format.Activations);
        var partTiles = (int)Math.Max(1, PartBytes / (rowBytes * ActivationTile.MostRows));
        var arguments = new PanelArguments { Blocks = blocks, ResultStrideBytes = (long)resultStride * sizeof(float) };
        for (var part = 0; part < batch; part += partTiles * ActivationTile.MostRows)
        {
            var end = Math.Min(batch, part + partTiles * ActivationTile.MostRows);
            for (var row = 0; row < rowCount; row += PanelFormat.Rows)
            {
                arguments.Weights = weights.Data.Start + (firstRow + row) / PanelFormat.Rows * panelBytes;
                arguments.LaneMask = (1L << Math.Min(PanelFormat.Rows, rowCount - row)) - 1;
                for (var first = part; first < end; first += ActivationTile.MostRows)
                {
                    arguments.Activations = activations + first * rowBytes;
                    arguments.Results = results + (long)first * resultStride + row;
                    var kernel = format.Kernels.Address(ActivationTile.RowsOfTile(first, batch));
                    ((delegate* unmanaged<PanelArguments*, void>)kernel)(&arguments);
                }
            }
        }
    }
}

/// <summary>What an assembled kernel is called with: one panel of weights, one tile of activations.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PanelArguments
{
    /// <summary>Where the panel begins.</summary>
    public byte* Weights;

    public byte* Activations;

    /// <summary>At least 1.</summary>
    public long Blocks;

    public float* Results;
    public long ResultStrideBytes;

    /// <summary>A bit for each of the thirty-two rows whose result is wanted.</summary>
    public long LaneMask;
}
