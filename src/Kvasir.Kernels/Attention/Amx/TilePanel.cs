using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Amx;

/// <summary>Brings cached rows into tiles of bf16 numbers: keys as they are, values transposed. Rows that a group lacks are zeros.</summary>
internal static unsafe class TilePanel
{
    private const int TileRowBytes = AmxTiles.RowBytes;

    /// <param name="source">The keys.</param>
    /// <param name="rows">At most <see cref="TileSpace.PanelRows"/>.</param>
    /// <param name="space">Its <see cref="TileSpace.Keys"/> are written.</param>
    [SkipLocalsInit]
    public static void PackKeys(PagedRows source, in RowSet rows, in TileSpace space)
    {
        var located = stackalloc byte*[TileSpace.GroupRows];
        var blocks = RowBlocks.Count(source.Dim);
        var tiles = space.Keys;
        for (var first = 0; first < rows.Count; first += TileSpace.GroupRows, tiles += 2 * blocks * AmxTiles.Bytes)
        {
            Locate(source, rows, first, space, located);
            for (var row = 0; row < TileSpace.GroupRows; row++)
            {
                var destination = tiles + row * TileRowBytes;
                for (var block = 0; block < blocks; block++)
                    Vector512.Load(located[row] + block * TileRowBytes).Store(destination + 2 * block * AmxTiles.Bytes);
            }
        }
    }

    /// <param name="source">The values.</param>
    /// <param name="rows">At most <see cref="TileSpace.PanelRows"/>.</param>
    /// <param name="space">Its <see cref="TileSpace.Values"/> are written.</param>
    [SkipLocalsInit]
    public static void PackValues(PagedRows source, in RowSet rows, in TileSpace space)
    {
        var located = stackalloc byte*[TileSpace.GroupRows];
        var scratch = stackalloc byte[AmxTiles.Bytes + CacheLines.Bytes];
        var pairs = (byte*)CacheLines.Align(scratch);
        var groups = GroupCount(rows.Count);
        for (var group = 0; group < groups; group++)
        {
            Locate(source, rows, group * TileSpace.GroupRows, space, located);
            var tiles = space.Values + 2 * group * AmxTiles.Bytes;
            for (var block = 0; block < RowBlocks.Count(source.Dim); block++, tiles += 2 * groups * AmxTiles.Bytes)
            {
                for (var half = 0; half < 2; half++)
                {
                    Pair(located, block * TileRowBytes + half * TileRowBytes / 2, pairs);
                    TileTranspose.Run(pairs, TileRowBytes, (float*)(tiles + half * AmxTiles.Bytes));
                }
            }
        }
    }

    /// <summary>Groups that <paramref name="rows"/> rows fill or begin.</summary>
    public static int GroupCount(int rows) => (rows + TileSpace.GroupRows - 1) / TileSpace.GroupRows;

    // pairs[i, d] = element d of row 2i, and above it that of row 2i + 1.
    private static void Pair(byte** rows, int offset, byte* pairs)
    {
        for (var i = 0; i < AmxTiles.Rows; i++)
        {
            var even = Avx512F.ConvertToVector512UInt32(Vector256.Load((ushort*)(rows[2 * i] + offset)));
            var odd = Avx512F.ConvertToVector512UInt32(Vector256.Load((ushort*)(rows[2 * i + 1] + offset)));
            (even | Vector512.ShiftLeft(odd, 16)).Store((uint*)(pairs + i * TileRowBytes));
        }
    }

    // Addresses of a group's rows as bf16 numbers, wherever those are.
    [SkipLocalsInit]
    private static void Locate(PagedRows source, in RowSet rows, int first, in TileSpace space, byte** located)
    {
        var count = Math.Min(TileSpace.GroupRows, rows.Count - first);
        var scales = stackalloc byte*[TileSpace.GroupRows];
        var stored = new StoredRows(located, scales);
        rows.Locate(source, first, count, stored);
        if (source.Codec.Tiles != TileForm.AsStored)
            Narrow(source.Codec.Kernels, RowBlocks.Count(source.Dim), count, space, stored);
        if (count == TileSpace.GroupRows)
            return;
        var missing = space.Rows + count * space.RowBytes;
        Unsafe.InitBlock(missing, 0, (uint)space.RowBytes);
        for (var row = count; row < TileSpace.GroupRows; row++)
            located[row] = missing;
    }

    [SkipLocalsInit]
    private static void Narrow(RowKernels kernels, int blocks, int count, in TileSpace space, StoredRows rows)
    {
        var scratch = stackalloc byte[blocks * RowBlocks.Elements * sizeof(float) + CacheLines.Bytes];
        var widened = CacheLines.Align(scratch);
        for (var row = 0; row < count; row++)
        {
            var destination = space.Rows + row * space.RowBytes;
            kernels.Widen(rows[row], blocks, widened);
            for (var d = 0; d < blocks * RowBlocks.Elements; d += FloatLanes512.Count)
                Bf16Rounding.Narrow(Vector512.Load(widened + d)).Store((ushort*)destination + d);
            rows.Codes[row] = destination;
        }
    }
}
