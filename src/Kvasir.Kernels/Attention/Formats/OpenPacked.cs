using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// Writes rows of a <see cref="PackedCodec{TBits}"/>, and keeps the newest as they came. Where a page's rows share a range for each channel, those before in
/// the page are stored again with every row, from what is kept of them.
/// </summary>
internal sealed unsafe class OpenPacked<TBits>(int dim, int pageTokens, RowLayout layout, RowCodec codec) : OpenPage
    where TBits : struct, IPackedBits
{
    private readonly NewestRows _newest = new(dim, codec.HalfRows);

    internal override NewestRows Newest => _newest;

    public override void Append(ReadOnlySpan<float> row, int number, Span<byte> page)
    {
        Lengths.RequireEqual(row.Length, dim, nameof(row));
        var index = number % pageTokens;
        fixed (byte* p = page)
        {
            if (!codec.SharesScales)
            {
                _newest.Add(row, number);
                codec.Encode(row, Stored(p, index));
                return;
            }

            if (index > 0 && (_newest.End != number || _newest.First > number - index))
                Resume(p, number - index, index);
            _newest.Add(row, number);
            Store(p, number - index, index + 1);
        }
    }

    public override void Truncate(int rowCount) => _newest.Keep(0, rowCount);

    public override void Move(int first, int count) => _newest.Move(first, count);

    // The rows of a page that are not kept any more, as it has them.
    private void Resume(byte* page, int first, int count)
    {
        Span<float> row = stackalloc float[dim];
        for (var index = 0; index < count; index++)
        {
            codec.Decode(Stored(page, index), row);
            _newest.Add(row, first + index);
        }
    }

    private void Store(byte* page, int first, int count)
    {
        var padded = RowBlocks.Count(dim) * RowBlocks.Elements;
        var least = stackalloc float[padded];
        var factors = stackalloc float[padded];
        var ranges = (uint*)(page + layout.FirstScale);
        Span(first, count, padded, least, factors);
        for (var d = 0; d < padded; d++)
        {
            var range = PackedRange.Of(least[d], factors[d], TBits.Bits);
            ranges[d] = range.Stored;
            (least[d], factors[d]) = (range.Least, range.Scale > 0 ? (1 << TBits.Bits) / range.Scale : 0);
        }

        var codes = stackalloc uint[padded];
        for (var index = 0; index < count; index++)
        {
            Round((ushort*)_newest.Row(first + index), padded, least, factors, codes);
            var stored = Stored(page, index);
            if (TBits.Planes == 2)
                Put((uint*)stored.Lower, codes, padded, shift: 0);
            Put((uint*)stored.Codes, codes, padded, shift: TBits.Planes == 2 ? 4 : 0);
        }
    }

    private void Put(uint* stored, uint* codes, int padded, int shift)
    {
        new Span<uint>(stored, layout.Stride / sizeof(uint)).Clear();
        for (var d = 0; d < padded; d++)
        {
            var (word, at) = TBits.Place(d);
            stored[word] |= ((codes[d] >> shift) & ((1u << TBits.Bits) - 1)) << at;
        }
    }

    // What the channels of rows span.
    private void Span(int first, int count, int padded, float* least, float* most)
    {
        for (var index = 0; index < count; index++)
        {
            var row = (ushort*)_newest.Row(first + index);
            for (var d = 0; d < padded; d += 8)
            {
                var x = Widened(row + d);
                // The first row is its own range; a NaN stays in it.
                (index == 0 ? x : Vector256.Min(Vector256.Load(least + d), x)).Store(least + d);
                (index == 0 ? x : Vector256.Max(Vector256.Load(most + d), x)).Store(most + d);
            }
        }
    }

    private static void Round(ushort* row, int padded, float* least, float* factors, uint* codes)
    {
        var most = Vector256.Create((float)((1 << (TBits.Bits * TBits.Planes)) - 1));
        for (var d = 0; d < padded; d += 8)
        {
            var code = (Widened(row + d) - Vector256.Load(least + d)) * Vector256.Load(factors + d);
            // Of two planes as PackedRange.FineCode has it.
            code = TBits.Planes == 2 ? Vector256.Floor((code + Vector256.Create(0.5f)) * 16) : Vector256.Round(code);
            code = Vector256.Min(Vector256.Max(code, default), most);
            Vector256.ConvertToInt32(code).AsUInt32().Store(codes + d);
        }
    }

    private static Vector256<float> Widened(ushort* elements) =>
        Vector256.Create(
            Vector128.WidenLower(Vector128.Load(elements)) << 16,
            Vector128.WidenUpper(Vector128.Load(elements)) << 16).AsSingle();

    private StoredRow Stored(byte* page, int index)
    {
        var codes = page + layout.FirstCode + index * layout.Stride;
        return new StoredRow(codes, page + layout.FirstScale + index * layout.ScaleStride, codes + layout.Lower);
    }
}
