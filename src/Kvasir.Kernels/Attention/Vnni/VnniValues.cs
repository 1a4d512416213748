using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// Weighted sums of q8 values for few queries, by the assembled kernel: 64 rows at a time, wherever they lie. Blocks of rows whose weights
/// have no 16-bit form, which softmax does not make but a NaN in the cache does, are left to the floats of <see cref="ValueTiles{TCodec, TLanes, V}"/>.
/// </summary>
internal static unsafe class VnniValues
{
    private const int BlockRows = RowWindow.BlockRows;
    private const int Queries = ValueCode.MostQueries;

    public static bool IsSupported => AssembledKernel.IsAllowed && CpuFeatures.HasVnni;

    // For every 128 bits of a vector eight elements of two rows: four for the first sixteen lanes and four for the others.
    private static ReadOnlySpan<byte> PairOrder =>
    [
        0, 32, 1, 33, 2, 34, 3, 35, 16, 48, 17, 49, 18, 50, 19, 51,
        4, 36, 5, 37, 6, 38, 7, 39, 20, 52, 21, 53, 22, 54, 23, 55,
        8, 40, 9, 41, 10, 42, 11, 43, 24, 56, 25, 57, 26, 58, 27, 59,
        12, 44, 13, 45, 14, 46, 15, 47, 28, 60, 29, 61, 30, 62, 31, 63,
    ];

    /// <param name="weights">weights[q * stride + i].</param>
    /// <param name="stride">Elements.</param>
    /// <param name="values">Where the rows lie.</param>
    /// <param name="rows">At least one.</param>
    /// <param name="outputs">[queryCount, values.Dim], added to.</param>
    /// <param name="queryCount">At least 1.</param>
    [SkipLocalsInit]
    public static void Run(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount)
    {
        var padded = RowBlocks.Count(values.Dim) * RowBlocks.Elements;
        if (padded == values.Dim)
        {
            Add(weights, stride, values, rows, new Sums(outputs, outputs, padded, queryCount));
            return;
        }

        // The kernel adds to whole blocks, and behind the last element of a query stands the next query.
        var sums = stackalloc float[queryCount * padded];
        new Span<float>(sums, queryCount * padded).Clear();
        Add(weights, stride, values, rows, new Sums(sums, outputs, padded, queryCount));
        for (var q = 0; q < queryCount; q++)
            VectorMath.AddScaled(1, new ReadOnlySpan<float>(sums + q * padded, values.Dim), new Span<float>(outputs + (long)q * values.Dim, values.Dim));
    }

    [SkipLocalsInit]
    private static void Add(float* weights, int stride, in PagedRows values, in RowSet rows, in Sums sums)
    {
        var blockCount = RowBlocks.Count(values.Dim);
        var scratch = stackalloc byte[blockCount * QuantizedWeights.BlockBytes
            + ((blockCount + 1) * BlockRows + Queries * BlockRows + Queries) * sizeof(float) + CacheLines.Bytes];
        var quantized = (byte*)CacheLines.Align(scratch);
        var scales = (float*)(quantized + blockCount * QuantizedWeights.BlockBytes);
        var tail = scales + (blockCount + 1) * BlockRows;
        var nothing = scales;
        var storage = stackalloc byte*[RowWindow.Length];
        var window = new RowWindow(storage, values, rows);
        nint scaleStride = rows.IsRange ? values.Layout.ScaleStride : 0;
        fixed (byte* order = PairOrder)
        {
            var arguments = new ValueArguments { Weights = quantized, Units = tail + Queries * BlockRows, PairOrder = order, Blocks = blockCount };
            arguments.OutputStrideBytes = sums.Stride * sizeof(float);
            for (var i = 0; i < rows.Count; i += BlockRows)
            {
                var count = Math.Min(BlockRows, rows.Count - i);
                var located = window.From(i);
                arguments.Rows = located.Codes;
                arguments.Turns = (count + ValueCode.TurnRows - 1) / ValueCode.TurnRows;
                RowScales.Widen(located.Scales, BlockRows, scaleStride, blockCount, scales);
                for (var q = 0; q < sums.QueryCount; q += Queries)
                {
                    var queryCount = Math.Min(Queries, sums.QueryCount - q);
                    var ahead = q > 0 ? LookAhead.None((byte**)&nothing) : window.Ahead(i, 4 * blockCount, (byte**)&nothing);
                    arguments.Ahead = ahead.First;
                    arguments.ScalesAhead = ahead.Scales;
                    arguments.AheadStepBytes = ahead.StepBytes;
                    var own = weights + (long)q * stride + i;
                    var whole = count == BlockRows ? own : Padded(own, stride, queryCount, count, tail);
                    var wholeStride = count == BlockRows ? stride : BlockRows;
                    arguments.Outputs = sums.Integers + (long)q * sums.Stride;
                    if (QuantizedWeights.TryQuantize(whole, wholeStride, queryCount, scales, (blockCount, BlockRows), quantized, arguments.Units))
                        Kernel(queryCount)(&arguments);
                    else
                        ValueTiles<KvQ8Codec, FloatLanes512, Vector512<float>>.AddBlock(
                            whole, wholeStride, values, located, count, sums.Floats + (long)q * values.Dim, queryCount);
                }
            }
        }
    }

    private static float* Padded(float* weights, int stride, int queryCount, int rowCount, float* tail)
    {
        new Span<float>(tail, Queries * BlockRows).Clear();
        for (var q = 0; q < queryCount; q++)
            new ReadOnlySpan<float>(weights + (long)q * stride, rowCount).CopyTo(new Span<float>(tail + q * BlockRows, BlockRows));
        return tail;
    }

    private static delegate* unmanaged[SuppressGCTransition]<ValueArguments*, void> Kernel(int queryCount) =>
        (delegate* unmanaged[SuppressGCTransition]<ValueArguments*, void>)ValueCode.Kernels.Address(queryCount);

    /// <summary>Where results go.</summary>
    /// <param name="integers">[QueryCount, stride]: the kernel's, whole blocks.</param>
    /// <param name="floats">[QueryCount, dim]: those of blocks of rows that are left to floats.</param>
    private readonly ref struct Sums(float* integers, float* floats, int stride, int queryCount)
    {
        public float* Integers => integers;

        public float* Floats => floats;

        public int Stride => stride;

        public int QueryCount => queryCount;
    }
}

/// <summary>What the kernel of <see cref="ValueCode"/> is called with.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ValueArguments
{
    /// <summary>Addresses of the codes of 16 rows for every turn.</summary>
    public byte** Rows;

    /// <summary>Addresses of codes to ask for: one for every turn of every block.</summary>
    public byte** Ahead;

    /// <summary>Addresses of scales to ask for: as many.</summary>
    public byte** ScalesAhead;

    /// <summary>From one of those addresses to the next that is used; 0 repeats the first.</summary>
    public long AheadStepBytes;

    /// <summary>From <see cref="QuantizedWeights"/>.</summary>
    public byte* Weights;

    /// <summary>[4]: what a unit of each query's weights is worth.</summary>
    public float* Units;

    /// <summary>The order of bytes that brings two blocks, one behind the other, into pairs: 64 bytes.</summary>
    public byte* PairOrder;

    /// <summary>The first element of the first query's sums; added to.</summary>
    public float* Outputs;

    public long OutputStrideBytes;

    /// <summary>At least 1.</summary>
    public long Blocks;

    /// <summary>1 to 4.</summary>
    public long Turns;
}
