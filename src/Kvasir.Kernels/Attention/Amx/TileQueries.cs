using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Amx;

/// <summary>
/// Brings queries into tiles, as two bf16 numbers each: one alone would put the error of scores at 2^-9 of their products, both leave 2^-17.
/// </summary>
internal static unsafe class TileQueries
{
    // Weights are powers of two.
    private const float InverseLogarithm = 1.44269504f;

    /// <param name="queries">[count, dim]: the queries of a tile; lanes beyond count are zeros.</param>
    /// <param name="dim">Elements of a query.</param>
    /// <param name="space">Its <see cref="TileSpace.Rows"/> are overwritten.</param>
    /// <param name="tiles">[blocks, 2, 2] tiles.</param>
    public static void Pack(ReadOnlySpan<float> queries, int dim, in TileSpace space, byte* tiles)
    {
        var blocks = RowBlocks.Count(dim);
        byte* upper = space.Rows, lower = upper + AmxTiles.Rows * space.RowBytes;
        for (var half = 0; half < 2; half++)
        {
            for (var lane = 0; lane < AmxTiles.Rows; lane++)
            {
                var start = Math.Min((half * AmxTiles.Rows + lane) * dim, queries.Length);
                Split(queries[start..Math.Min(start + dim, queries.Length)], blocks, upper + lane * space.RowBytes, lower + lane * space.RowBytes);
            }

            for (var block = 0; block < blocks; block++)
            {
                var tile = tiles + (4 * block + half) * AmxTiles.Bytes;
                TileTranspose.Run(upper + block * AmxTiles.RowBytes, space.RowBytes, (float*)tile);
                TileTranspose.Run(lower + block * AmxTiles.RowBytes, space.RowBytes, (float*)(tile + 2 * AmxTiles.Bytes));
            }
        }
    }

    private static void Split(ReadOnlySpan<float> query, int blocks, byte* upper, byte* lower)
    {
        var padded = stackalloc float[blocks * RowBlocks.Elements];
        query.CopyTo(new Span<float>(padded, query.Length));
        for (var d = 0; d < blocks * RowBlocks.Elements; d += FloatLanes512.Count)
        {
            var x = Vector512.Load(padded + d) * InverseLogarithm;
            Bf16Rounding.Narrow(x).Store((ushort*)upper + d);
            Bf16Rounding.Narrow(Bf16Rounding.Remainder(x)).Store((ushort*)lower + d);
        }
    }
}
