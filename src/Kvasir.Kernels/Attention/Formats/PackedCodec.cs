using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention.Amx;
using Kvasir.Kernels.Attention.Vnni;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// Codes of few bits (KIVI, arXiv 2402.02750), between the least and the largest element of a group: a channel of a page's 32 rows, or 32 elements of one
/// row. A group has a <see cref="PackedRange"/>, of 4 bytes. The newest rows are read as bf16 (<see cref="NewestRows"/>). Codes of two planes
/// (<see cref="TwoPlanes"/>) may be read by the upper alone.
/// </summary>
internal sealed unsafe class PackedCodec<TBits>(bool byChannel)
    : RowCodec(ShareOf(TBits.Bits) / (TBits.Planes == 2 ? 16 : 1), TileForm.Narrowed, ByLanes(byChannel))
    where TBits : struct, IPackedBits
{
    public override bool SealsPages => true;

    public override bool KeepsNewest => true;

    public override int HalfRows => TBits.Planes == 2 ? NewestRows.PaperHalf : 0;

    public override RowCodec Coarse => TBits.Planes == 1 ? this : byChannel ? Kivi4Channel : Kivi4;

    internal override bool SharesScales => byChannel;

    internal override int SharedBytes(int dim) => byChannel ? PartsOf(dim).ScaleBytes : 0;

    internal override long OpenBytes(int dim, int pageTokens) => NewestRows.Bytes(dim, HalfRows);

    internal override (int Stride, int Lower) Planes(int codeBytes, int rows) =>
        TBits.Planes == 2 ? (codeBytes / 2, rows * codeBytes / 2) : (codeBytes, 0);

    internal override OpenPage Open(int dim, int pageTokens, in RowLayout layout, int sharedAt) =>
        new OpenPacked<TBits>(dim, pageTokens, layout, this);

    internal override void Encode(ReadOnlySpan<float> row, StoredRow stored)
    {
        var parts = PartsOf(row.Length);
        var ranges = (uint*)stored.Scales;
        new Span<byte>(stored.Codes, parts.CodeBytes / TBits.Planes).Clear();
        if (TBits.Planes == 2)
            new Span<byte>(stored.Lower, parts.CodeBytes / 2).Clear();
        new Span<byte>(stored.Scales, parts.ScaleBytes).Clear();
        var group = byChannel ? 1 : RowBlocks.Elements;
        for (var d = 0; d < row.Length; d += group)
        {
            var elements = row.Slice(d, Math.Min(group, row.Length - d));
            var (least, most) = (elements[0], elements[0]);
            foreach (var x in elements)
                (least, most) = (MathF.Min(least, x), MathF.Max(most, x));
            var range = PackedRange.Of(least, most, TBits.Bits);
            ranges[d / group] = range.Stored;
            for (var i = 0; i < elements.Length; i++)
                Put(stored, d + i, range, elements[i]);
        }
    }

    // Sets the bits of an element, which are zeros.
    private static void Put(StoredRow stored, int element, PackedRange range, float value)
    {
        var (word, shift) = TBits.Place(element);
        var code = TBits.Planes == 2 ? range.FineCode(value) : range.Code(value, TBits.Bits);
        ((uint*)stored.Codes)[word] |= (TBits.Planes == 2 ? code >> 4 : code) << shift;
        if (TBits.Planes == 2)
            ((uint*)stored.Lower)[word] |= (code & 15) << shift;
    }

    private protected override RowSizes PartsOf(int dim)
    {
        var blocks = RowBlocks.Count(dim);
        return new RowSizes(TBits.Planes * blocks * RowBlocks.Elements * TBits.Bits / 8, sizeof(uint) * (byChannel ? blocks * RowBlocks.Elements : blocks));
    }

    // A range is at most twice the largest magnitude, and what is lost in rounding its ends outward a 64th of that.
    private static double ShareOf(int bits) => (1 + 1.0 / 64) * (1 + 1.0 / 128) / ((1 << bits) - 1);

    private static Variant<RowKernels>[] ByLanes(bool byChannel) =>
    [
        new("scalar", true, new PackedKernels<TBits, FloatLanes1, float>(byChannel)),
        new("128", Vector128.IsHardwareAccelerated, new PackedKernels<TBits, FloatLanes128, Vector128<float>>(byChannel)),
        new("256", Vector256.IsHardwareAccelerated, new PackedKernels<TBits, FloatLanes256, Vector256<float>>(byChannel)),
        new("512", Vector512.IsHardwareAccelerated, new PackedKernels<TBits, FloatLanes512, Vector512<float>>(byChannel)),
        new("vnni", VnniPackedKernels<TBits>.IsSupported, new VnniPackedKernels<TBits>(byChannel)),
    ];
}

/// <summary>
/// Where the codes of a group lie, as two bf16 numbers: element = scale * (1 + code / 2^bits) + (least - scale). Its ends are rounded outward, so that no
/// element is off by more than half a step.
/// </summary>
/// <param name="Scale">Of 2^bits steps; NaN where an element was none or infinite, or the range is wider than a float.</param>
/// <param name="Least">The element of code 0.</param>
internal readonly record struct PackedRange(float Scale, float Least)
{
    private const float SmallestScale = 1e-35f;

    /// <summary>The scale in the lower half, the least element in the upper.</summary>
    public uint Stored => (BitConverter.SingleToUInt32Bits(Scale) >> 16) | (BitConverter.SingleToUInt32Bits(Least) & 0xFFFF0000);

    /// <summary>The range from a least to a largest element.</summary>
    public static PackedRange Of(float least, float most, int bits)
    {
        var low = RoundDown(least);
        var scale = (float)(((double)most - low) / ((1 << bits) - 1) * (1 << bits));
        var up = BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(scale) + 0xFFFF) & 0xFFFF0000);
        if (!float.IsFinite(scale) || !float.IsFinite(up) || !float.IsFinite(low))
            return new PackedRange(float.NaN, 0);
        return new PackedRange(scale < SmallestScale ? 0 : up, low);
    }

    /// <summary>The code next to an element within the range.</summary>
    public uint Code(float element, int bits) =>
        Scale > 0 ? (uint)Math.Clamp(MathF.Round((element - Least) * ((1 << bits) / Scale)), 0, (1 << bits) - 1) : 0;

    /// <summary>The same in two planes of 4 bits: the upper one is the code next to the element, the lower one where in that step it lies.</summary>
    public uint FineCode(float element) => Scale > 0 ? (uint)Math.Clamp(((element - Least) * (16 / Scale) + 0.5f) * 16, 0, 255) : 7;

    // Towards minus infinity: of a negative number the magnitude grows.
    private static float RoundDown(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((value < 0 ? bits + 0xFFFF : bits) & 0xFFFF0000);
    }
}
