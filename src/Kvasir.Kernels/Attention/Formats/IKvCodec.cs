using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// How one format of cached rows is written and read. Kernels are generic over it, so a format is one struct and no loop. Rows are stored
/// in blocks of <see cref="RowBlocks.Elements"/> elements, the last one filled up with zeros, so that kernels never meet a part of one.
/// An element is what <see cref="Load"/> gives times its block's scale.
/// </summary>
internal unsafe interface IKvCodec
{
    /// <summary>Whether scales are ever something else than 1.</summary>
    static abstract bool HasScales { get; }

    /// <summary>Elements that rows may be cut off at, where others lie behind them (<see cref="RowCodec.CutElements"/>).</summary>
    static virtual int CutElements => RowBlocks.Elements;

    /// <summary>What is stored of a row of <paramref name="dim"/> elements; where in a page, <see cref="RowLayout"/> says.</summary>
    static abstract RowSizes Parts(int dim);

    /// <summary>Writes all bytes of Parts(row.Length), padding included.</summary>
    static abstract void Encode(ReadOnlySpan<float> row, StoredRow stored);

    /// <summary>
    /// The scales of blocks 2 * <paramref name="pair"/> and 2 * <paramref name="pair"/> + 1, as bf16: in the lower and in the upper half.
    /// </summary>
    static abstract uint ScalePair(byte* scales, int pair);

    /// <summary>scales[block, i] = scale of that block of row i, for TLanes.Count rows; nothing for a format without scales.</summary>
    /// <param name="rows">TLanes.Count of them.</param>
    /// <param name="blockCount">Blocks in a row.</param>
    /// <param name="scales">Room for <see cref="RowBlocks.ScalesRoom"/> blocks.</param>
    /// <returns>Where the scales of block 0 stand.</returns>
    static abstract float* WidenScales<TLanes, V>(StoredRows rows, int blockCount, float* scales)
        where TLanes : struct, IFloatLanes<V>
        where V : struct;

    /// <summary>The elements [index, index + TLanes.Count) without their scale; index is a multiple of TLanes.Count.</summary>
    static abstract V Load<TLanes, V>(byte* codes, nint index)
        where TLanes : struct, IFloatLanes<V>
        where V : struct;

    /// <summary>Brings up to four queries into the order in which <see cref="Score"/> reads them; queries that are missing count as zeros.</summary>
    /// <param name="queries">[count, dim].</param>
    /// <param name="factor">Multiplied into every score.</param>
    /// <param name="prepared"><see cref="QueryTile.Floats"/> elements.</param>
    static abstract void Prepare(float* queries, int count, int dim, float factor, float* prepared);

    /// <summary>scores[q, i] = product of prepared query q and row i, for four queries and TLanes.Count rows.</summary>
    /// <param name="rows">The codes of the first row; the others follow at <paramref name="stride"/> bytes.</param>
    /// <param name="ahead">As many rows that will be wanted soon: memory answers lines in the order of addresses a third faster than in strides.</param>
    /// <param name="stride">Bytes: at least those of a row's codes.</param>
    /// <param name="blockCount">Blocks in a row.</param>
    /// <param name="prepared">From <see cref="Prepare"/>.</param>
    /// <param name="scales">From <see cref="WidenScales"/>.</param>
    /// <param name="scores">[4, TLanes.Count].</param>
    static abstract void Score<TLanes, V>(byte* rows, TileAhead ahead, nint stride, int blockCount, float* prepared, float* scales, float* scores)
        where TLanes : struct, IFloatLanes<V>
        where V : struct;
}
