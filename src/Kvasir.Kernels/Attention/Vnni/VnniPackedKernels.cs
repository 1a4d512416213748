using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// Kernels of rows of few bits that are multiplied in bytes where few queries meet them: whole pages of keys, values wherever they lie. Queries and weights
/// have 16 bits, and what they lose is a thousandth of what the codes have lost; blocks of rows that these have no numbers for are left to floats.
/// </summary>
internal sealed unsafe class VnniPackedKernels<TBits>(bool byChannel) : PackedKernels<TBits, FloatLanes512, Vector512<float>>(byChannel)
    where TBits : struct, IPackedBits
{
    private const int BlockRows = RowWindow.BlockRows;
    private const int Queries = ValueCode.MostQueries;
    private const int Width = 16;

    // Pages of keys that are asked for meanwhile lie so many rows on.
    private const int AheadRows = 2 * PackedScoreCode.PageRows;

    // Values that are asked for lie so many rows on.
    private const int AheadBlock = 2 * BlockRows;

    // Sums of all queries lie on the stack.
    private const int MostBlocks = 256;

    private static readonly PackedScoreCode ScoreKernels = new(TBits.Bits);
    private static readonly PackedValueCode ValueKernels = new(TBits.Bits);
    private static readonly int SumFloats = Width * 8 / TBits.Bits;

    public static bool IsSupported => VnniScores.IsSupported && Avx512Vbmi.IsSupported;

    [SkipLocalsInit]
    private protected override int ScorePages(
        in PackedScores<TBits, FloatLanes512, Vector512<float>> tile, PagedRows keys, RowSet rows, float* scores, int stride)
    {
        var (padded, queries) = (tile.Padded, tile.QueryCount);
        var pages = PackedQueries<TBits>.Suits(padded) ? WholePages(keys, rows) : 0;
        if (pages == 0)
            return 0;
        var scaledBytes = PackedQueries<TBits>.ScaledBytes(padded);
        var scratch = stackalloc byte[PackedScoreCode.SumBytes + (2 * scaledBytes) + PackedQueries<TBits>.Bytes(padded) + CacheLines.Bytes];
        var sums = CacheLines.Align(scratch);
        var scaled = sums + (PackedScoreCode.SumBytes / sizeof(float));
        var next = scaled + (scaledBytes / sizeof(float));
        var prepared = (byte*)(next + (scaledBytes / sizeof(float)));
        var first = keys.Row(rows[0], out _);
        PackedQueries<TBits>.Scale(tile.Scaled, queries, padded, (uint*)first.Scales, scaled);
        PackedQueries<TBits>.Round(scaled, queries, padded, prepared);
        var arguments = new PackedScoreArguments
        {
            StrideBytes = keys.Layout.Stride,
            Queries = prepared,
            Sums = (int*)sums,
            Scores = scores,
            ScoreStrideBytes = (long)stride * sizeof(float),
            Turns = keys.Layout.Stride / PackedScoreCode.TurnBytes,
        };
        for (var row = rows[0]; ; row += PackedScoreCode.PageRows)
        {
            var left = pages - ((row - rows[0]) / PackedScoreCode.PageRows) - 1;
            arguments.FirstRow = first.Codes;
            arguments.Ahead = Ahead(keys, row, rows, first);
            arguments.Units = PackedQueries<TBits>.Units(scaled);
            arguments.Biases = PackedQueries<TBits>.Biases(scaled);
            if (left > 0)
            {
                first = keys.Row(row + PackedScoreCode.PageRows, out _);
                PackedQueries<TBits>.Scale(tile.Scaled, queries, padded, (uint*)first.Scales, next);
            }

            ScorePage(arguments, keys.Layout.Lower, queries);
            if (left == 0)
                return pages * PackedScoreCode.PageRows;
            PackedQueries<TBits>.Round(next, queries, padded, prepared);
            var other = scaled;
            scaled = next;
            next = other;
            arguments.Scores += PackedScoreCode.PageRows;
        }
    }

    // At the beginning of a range, or of a list's rows that lie side by side.
    private static int WholePages(PagedRows keys, RowSet rows)
    {
        _ = keys.Row(rows[0], out var most);
        return most == PackedScoreCode.PageRows ? Math.Min(rows.Count, keys.FirstNewest - rows[0]) / PackedScoreCode.PageRows : 0;
    }

    private static void ScorePage(PackedScoreArguments arguments, int lower, int queryCount)
    {
        var kernel = (delegate* unmanaged[SuppressGCTransition]<PackedScoreArguments*, void>)ScoreKernels.Kernels.Address(queryCount);
        kernel(&arguments);
        if (TBits.Planes == 2)
            AddLower(kernel, arguments, lower, queryCount);
    }

    // The lower plane by the same queries: its codes stand for a 16th of the upper ones.
    [SkipLocalsInit]
    private static void AddLower(
        delegate* unmanaged[SuppressGCTransition]<PackedScoreArguments*, void> kernel, PackedScoreArguments upper, int lower, int queryCount)
    {
        const int Rows = PackedScoreCode.PageRows;
        var own = stackalloc float[Queries * (Rows + 2)];
        var units = own + (Queries * Rows);
        var biases = units + Queries;
        for (var q = 0; q < Queries; q++)
            (units[q], biases[q]) = (upper.Units[q] / 16, 0);
        var scores = upper.Scores;
        var stride = upper.ScoreStrideBytes / sizeof(float);
        var arguments = upper with
        {
            FirstRow = upper.FirstRow + lower,
            Ahead = upper.Ahead + lower,
            Units = units,
            Biases = biases,
            Scores = own,
            ScoreStrideBytes = Rows * sizeof(float),
        };
        kernel(&arguments);
        for (var q = 0; q < queryCount; q++)
        {
            for (var row = 0; row < Rows; row += Width)
                (Vector512.Load(scores + (q * stride) + row) + Vector512.Load(own + (q * Rows) + row)).Store(scores + (q * stride) + row);
        }
    }

    private protected override void AddPacked(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount)
    {
        if (queryCount * RowBlocks.Count(values.Dim) > MostBlocks)
            base.AddPacked(weights, stride, values, rows, outputs, queryCount);
        else
            AddInBytes(weights, stride, values, rows, outputs, queryCount);
    }

    // The codes of a page that is wanted soon, or what is read anyway.
    private static byte* Ahead(PagedRows keys, int row, RowSet rows, StoredRow first)
    {
        var next = row + AheadRows;
        var end = Math.Min(Math.Min(keys.Capacity, keys.FirstNewest), rows[0] + rows.Count + rows.Following);
        if (next + PackedScoreCode.PageRows > end)
            return first.Codes;
        var ahead = keys.Row(next, out _);
        CacheLines.PrefetchAll(ahead.Scales, keys.Layout.ScaleBytes);
        return ahead.Codes;
    }

    [SkipLocalsInit]
    private void AddInBytes(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount)
    {
        var blocks = RowBlocks.Count(values.Dim);
        var sumFloats = queryCount * blocks * (SumFloats + Width);
        var floats = (2 * blocks * BlockRows) + (Queries * (BlockRows + 1)) + sumFloats;
        var scratch = stackalloc byte[
            (TBits.Planes * PackedCodes<TBits>.Bytes(blocks)) + (blocks * QuantizedWeights.BlockBytes) + (floats * sizeof(float)) + (2 * CacheLines.Bytes)];
        var codes = (byte*)CacheLines.Align(scratch);
        var quantized = codes + (TBits.Planes * PackedCodes<TBits>.Bytes(blocks));
        var scales = CacheLines.Align(quantized + (blocks * QuantizedWeights.BlockBytes));
        var space = new Space(codes, quantized, scales, scales + (2 * blocks * BlockRows), blocks);
        var sums = space.Tail + (Queries * (BlockRows + 1));
        new Span<float>(sums, sumFloats).Clear();
        var storage = stackalloc byte*[RowWindow.Length];
        var window = new RowWindow(storage, values, rows);
        for (var i = 0; i < rows.Count; i += BlockRows)
        {
            var count = Math.Min(BlockRows, rows.Count - i);
            var located = window.From(i);
            if (!rows.IsRange && HasNewest(located, count))
            {
                base.AddPacked(weights + i, stride, values, rows.Part(i, count), outputs, queryCount);
                continue;
            }

            if (!rows.IsRange)
                _ = window.Ahead(i, 1, located.Codes);
            else
                AskForScales(located.Scales, values.Layout);
            RowScales.Widen(located.Scales, BlockRows, rows.IsRange ? values.Layout.ScaleStride : 0, 2 * blocks, scales);
            PackedCodes<TBits>.Gather(located.Codes, 0, rows.IsRange, blocks, codes);
            if (TBits.Planes == 2)
            {
                PackedCodes<TBits>.Gather(located.Codes, values.Layout.Lower, rows.IsRange, blocks, codes + PackedCodes<TBits>.Bytes(blocks));
                TakeShift(scales, blocks);
            }

            for (var q = 0; q < queryCount; q += Queries)
            {
                var own = (Math.Min(Queries, queryCount - q), count);
                if (!TryAdd(weights + ((long)q * stride) + i, stride, own, space, sums + (q * blocks * (SumFloats + Width))))
                    AddInFloats(weights + ((long)q * stride) + i, stride, (located, values.Layout.Lower), own, values.Dim, outputs + ((long)q * values.Dim));
            }
        }

        Give(sums, blocks, outputs, queryCount, values.Dim);
    }

    // Of the rows whose codes are asked for while these are brought together: two pages, which hold them side by side.
    private static void AskForScales(byte** scales, in RowLayout layout)
    {
        for (var row = AheadBlock; row < AheadBlock + BlockRows; row += PackedScoreCode.PageRows)
            CacheLines.PrefetchAll(scales[row], PackedScoreCode.PageRows * layout.ScaleStride);
    }

    private static bool HasNewest(StoredRows rows, int count)
    {
        for (var r = 0; r < count; r++)
        {
            if (rows.Scales[r] == null)
                return true;
        }

        return false;
    }

    // Scales and least elements of blocks take turns.
    [SkipLocalsInit]
    private static bool TryAdd(float* weights, int stride, (int Queries, int Rows) count, in Space space, float* sums)
    {
        var whole = weights;
        if (count.Rows < BlockRows)
        {
            new Span<float>(space.Tail, Queries * BlockRows).Clear();
            for (var q = 0; q < count.Queries; q++)
                new ReadOnlySpan<float>(weights + ((long)q * stride), count.Rows).CopyTo(new Span<float>(space.Tail + (q * BlockRows), BlockRows));
            whole = space.Tail;
            stride = BlockRows;
        }

        var units = space.Tail + (Queries * BlockRows);
        var inverses = stackalloc float[Queries];
        var scales = (space.Blocks, 2 * BlockRows);
        if (!QuantizedWeights.TryMeasure(whole, stride, count.Queries, space.Scales, scales, units, inverses))
            return false;
        AddLeast(whole, stride, count.Queries, space, sums);
        QuantizedWeights.Pack(whole, stride, count.Queries, space.Scales, scales, space.Quantized, inverses);
        (Vector128.Load(units) * (1f / (1 << TBits.Bits))).Store(units);
        var arguments = new PackedValueArguments
        {
            Codes = space.Codes,
            Weights = space.Quantized,
            Units = units,
            Sums = sums,
            SumStrideBytes = space.Blocks * (SumFloats + Width) * sizeof(float),
            Blocks = space.Blocks,
        };
        var kernel = (delegate* unmanaged[SuppressGCTransition]<PackedValueArguments*, void>)ValueKernels.Kernels.Address(count.Queries);
        kernel(&arguments);
        if (TBits.Planes == 2)
        {
            (Vector128.Load(units) * (1f / 16)).Store(units);
            arguments.Codes += PackedCodes<TBits>.Bytes(space.Blocks);
            kernel(&arguments);
        }

        return true;
    }

    // From the least elements, which stand behind the scales of each block.
    private static void TakeShift(float* scales, int blocks)
    {
        for (var block = 0; block < blocks; block++, scales += 2 * BlockRows)
        {
            for (var row = 0; row < BlockRows; row += Width)
                (Vector512.Load(scales + BlockRows + row) - (Vector512.Load(scales + row) * TBits.Shift)).Store(scales + BlockRows + row);
        }
    }

    private static void AddLeast(float* weights, int stride, int queryCount, in Space space, float* sums)
    {
        for (var q = 0; q < queryCount; q++, weights += stride, sums += space.Blocks * (SumFloats + Width))
        {
            var (a, b) = (Vector512.Load(weights), Vector512.Load(weights + Width));
            var (c, d) = (Vector512.Load(weights + (2 * Width)), Vector512.Load(weights + (3 * Width)));
            var least = space.Scales + BlockRows;
            var own = sums + (space.Blocks * SumFloats);
            for (var block = 0; block < space.Blocks; block++, least += 2 * BlockRows, own += Width)
            {
                var sum = Vector512.FusedMultiplyAdd(a, Vector512.Load(least), Vector512.Load(own));
                sum = Vector512.FusedMultiplyAdd(b, Vector512.Load(least + Width), sum);
                sum = Vector512.FusedMultiplyAdd(c, Vector512.Load(least + (2 * Width)), sum);
                Vector512.FusedMultiplyAdd(d, Vector512.Load(least + (3 * Width)), sum).Store(own);
            }
        }
    }

    private static void Give(float* sums, int blocks, float* outputs, int queryCount, int dim)
    {
        var whole = stackalloc float[RowBlocks.Elements];
        for (var q = 0; q < queryCount; q++, sums += blocks * (SumFloats + Width), outputs += dim)
        {
            for (var block = 0; block < blocks; block++)
            {
                var least = Reduction.Quarter(Vector512.Load(sums + (blocks * SumFloats) + (block * Width)));
                var (first, second) = PackedCodes<TBits>.InOrder(sums + (block * SumFloats));
                var all = Vector512.Create(Vector128.Sum(least));
                var output = outputs + (block * RowBlocks.Elements);
                var width = dim - (block * RowBlocks.Elements);
                if (width >= RowBlocks.Elements)
                {
                    (Vector512.Load(output) + first + all).Store(output);
                    (Vector512.Load(output + Width) + second + all).Store(output + Width);
                    continue;
                }

                (first + all).Store(whole);
                (second + all).Store(whole + Width);
                for (var d = 0; d < width; d++)
                    output[d] += whole[d];
            }
        }
    }

    /// <summary>Memory of a block of rows.</summary>
    /// <param name="tail">Weights of four queries, where rows are fewer than 64, and four units.</param>
    private readonly ref struct Space(byte* codes, byte* quantized, float* scales, float* tail, int blocks)
    {
        public byte* Codes => codes;

        public byte* Quantized => quantized;

        public float* Scales => scales;

        public float* Tail => tail;

        public int Blocks => blocks;
    }
}
