using System.Diagnostics.CodeAnalysis;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention.Amx;
using Kvasir.Kernels.Attention.Vnni;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// One way to store rows of keys or of values, with the kernels that read them. Which kernels these are, for the vectors of this machine, is decided
/// once, when the codec is made.
/// </summary>
public abstract unsafe class RowCodec
{
    private readonly Variant<RowKernels>[] _forms;

    private protected RowCodec(double errorShare, TileForm tiles, Variant<RowKernels>[] forms)
    {
        (ErrorShare, Tiles, _forms) = (errorShare, tiles, forms);
        Kernels = Array.FindLast(forms, static form => form.IsSupported).Run;
    }

    /// <summary>4 bytes an element, as computed.</summary>
    public static RowCodec F32 { get; } = new StoredCodec<KvF32Codec>(errorShare: 0);

    /// <summary>2 bytes an element, rounded to nearest even.</summary>
    public static RowCodec BF16 { get; } = new StoredCodec<KvBf16Codec>(errorShare: 1.0 / 256, TileForm.AsStored);

    /// <summary>8-bit integers in blocks of 32 with one scale each.</summary>
    public static RowCodec Q8 { get; } = new StoredCodec<KvQ8Codec>(
        errorShare: 0.5 / 127 * 129 / 128, TileForm.Narrowed,
        new Variant<RowKernels>("vnni", VnniScores.IsSupported && VnniValues.IsSupported, new VnniKernels()));

    /// <summary>8-bit integers between the least and the largest element of the row.</summary>
    [SuppressMessage("Naming", "CA1720", Justification = "It is the name of the format.")]
    public static RowCodec Int8 { get; } = new RangeCodec();

    /// <summary>The same, between the least and the largest element of each channel of a page.</summary>
    public static RowCodec Int8Channel { get; } = new ChannelCodec();

    /// <summary>Keys of KIVI in 2 bits: a scale and a least element for each channel of a page. The newest 128 rows are read as bf16.</summary>
    public static RowCodec Kivi2Channel { get; } = new PackedCodec<TwoBits>(byChannel: true);

    /// <summary>Values of KIVI in 2 bits: a scale and a least element for each 32 elements of a row. The newest 128 rows are read as bf16.</summary>
    public static RowCodec Kivi2 { get; } = new PackedCodec<TwoBits>(byChannel: false);

    /// <summary>The same in 4 bits.</summary>
    public static RowCodec Kivi4Channel { get; } = new PackedCodec<FourBits>(byChannel: true);

    /// <inheritdoc cref="Kivi4Channel"/>
    public static RowCodec Kivi4 { get; } = new PackedCodec<FourBits>(byChannel: false);

    /// <summary>
    /// Keys of QuantSpec (arXiv 2502.10424) in two planes of 4 bits: the upper one is that of <see cref="Kivi4Channel"/>, both together have 8 bits. The newest
    /// 128 to 255 rows are read as bf16.
    /// </summary>
    public static RowCodec QuantSpecChannel { get; } = new PackedCodec<TwoPlanes>(byChannel: true);

    /// <summary>Values of it: the upper plane is that of <see cref="Kivi4"/>.</summary>
    public static RowCodec QuantSpec { get; } = new PackedCodec<TwoPlanes>(byChannel: false);

    /// <summary>The most that an element may be off, as a share of the largest magnitude among the rows that are stored together.</summary>
    public double ErrorShare { get; }

    /// <summary>Whether rows of a page are stored together, and those of the page that is being written are kept as floats beside it.</summary>
    public virtual bool SealsPages => false;

    /// <summary>Whether the newest 128 rows are read as they came, so that what a token reads depends a little on which rows came in the same step.</summary>
    public virtual bool KeepsNewest => false;

    /// <summary>
    /// Where the newest rows are read as they came in two halves, of how many rows each is: a row that begins a half makes rows of an older one be read as they
    /// are stored. 0 where that is not so.
    /// </summary>
    public virtual int HalfRows => 0;

    /// <summary>What reads of two planes the upper alone, where they lie; this where there is one.</summary>
    public virtual RowCodec Coarse => this;

    /// <summary>
    /// Where a page's rows are all there and are written in order, they may be cut off at a multiple of so many elements, in place of 32: what kernels read
    /// beyond is of the next row, and meets zeros of a query.
    /// </summary>
    public virtual int CutElements => RowBlocks.Elements;

    /// <summary>How rows become tiles of bf16 numbers, by which prompts attend where both keys and values do.</summary>
    internal TileForm Tiles { get; }

    /// <summary>The kernels in every form, the scalar reference first and the fastest last.</summary>
    internal IReadOnlyList<Variant<RowKernels>> Forms => _forms;

    /// <summary>The fastest kernels that this machine can run.</summary>
    internal RowKernels Kernels { get; }

    /// <summary>A way to store rows that says no more than how a row is written and read.</summary>
    /// <param name="errorShare">What <see cref="ErrorShare"/> is to be.</param>
    public static RowCodec Plain<TCodec>(double errorShare)
        where TCodec : struct, IPlainCodec => new PlainCodec<TCodec>(errorShare);

    /// <summary>Bytes that a row of <paramref name="dim"/> elements takes, codes and scales; rows are stored as a multiple of 32 elements.</summary>
    /// <exception cref="ArgumentOutOfRangeException">dim is not in [1, PagedRows.MaxDim].</exception>
    public int RowBytes(int dim) => Parts(dim).Bytes;

    /// <summary>
    /// Stores one row outside of any page, its scales behind its codes; in a page <see cref="PagedRows.Encode"/> does that, or
    /// <see cref="OpenPage"/>. <paramref name="stored"/> has RowBytes(row.Length) bytes, of which all are written.
    /// </summary>
    public void Encode(ReadOnlySpan<float> row, Span<byte> stored)
    {
        var parts = Parts(row.Length);
        Lengths.RequireEqual(stored.Length, parts.Bytes, nameof(stored));
        fixed (byte* p = stored)
            Encode(row, Alone(p, parts));
    }

    /// <summary>Reads such a row back; exact for what was stored.</summary>
    public void Decode(ReadOnlySpan<byte> stored, Span<float> row)
    {
        var parts = Parts(row.Length);
        Lengths.RequireEqual(stored.Length, parts.Bytes, nameof(stored));
        fixed (byte* p = stored)
            Decode(Alone(p, parts), row);
    }

    /// <summary>Bytes from one row's codes to the next's, and from a row's to those in the second plane, where so many rows lie together.</summary>
    internal virtual (int Stride, int Lower) Planes(int codeBytes, int rows) => (codeBytes, 0);

    /// <summary>What is stored of a row of <paramref name="dim"/> elements.</summary>
    internal RowSizes Parts(int dim)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dim, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dim, PagedRows.MaxDim);
        return PartsOf(dim);
    }

    /// <summary>Whether the rows of a page have their scales in common: what is stored of one row alone has them to itself.</summary>
    internal virtual bool SharesScales => false;

    /// <summary>Bytes in a page, beside its rows, that these share.</summary>
    internal virtual int SharedBytes(int dim) => 0;

    /// <summary>Bytes of memory, beside the page's own, that the rows of a page take while it is being written.</summary>
    internal virtual long OpenBytes(int dim, int pageTokens) => 0;

    /// <summary>What writes the rows of a page; null where rows are stored one by one.</summary>
    /// <param name="sharedAt">Offset in the page of what its rows share.</param>
    internal virtual OpenPage? Open(int dim, int pageTokens, in RowLayout layout, int sharedAt) => null;

    /// <summary>Whether a row, whoever stored it, reads nothing but itself and what the rows of its page share.</summary>
    /// <param name="row">Its codes.</param>
    /// <param name="toShared">Bytes from its first to what is shared.</param>
    internal virtual bool IsSound(ReadOnlySpan<byte> row, int toShared) => true;

    /// <summary>Writes all bytes of a row where it lies.</summary>
    internal abstract void Encode(ReadOnlySpan<float> row, StoredRow stored);

    /// <summary>Reads a row where it lies.</summary>
    internal void Decode(StoredRow stored, Span<float> row)
    {
        var blockCount = RowBlocks.Count(row.Length);
        Span<float> whole = stackalloc float[blockCount * RowBlocks.Elements];
        fixed (float* destination = whole)
            Kernels.Widen(stored, blockCount, destination);
        whole[..row.Length].CopyTo(row);
    }

    /// <summary>The kernels in the form of that name, or else the last before it that there is.</summary>
    internal RowKernels Form(string name)
    {
        var index = Array.FindIndex(_forms, form => form.Name == name);
        return _forms[index < 0 ? ^1 : index].Run;
    }

    private protected abstract RowSizes PartsOf(int dim);

    private StoredRow Alone(byte* row, RowSizes parts) => new(row, row + parts.CodeBytes, row + Planes(parts.CodeBytes, 1).Lower);
}

/// <summary>Rows of a codec whose kernels are closed over it, for every width of vectors.</summary>
internal class StoredCodec<TCodec>(double errorShare, TileForm tiles = TileForm.None, params ReadOnlySpan<Variant<RowKernels>> faster)
    : RowCodec(errorShare, tiles, [.. ByLanes(), .. faster])
    where TCodec : struct, IKvCodec
{
    public override int CutElements => TCodec.CutElements;

    internal override void Encode(ReadOnlySpan<float> row, StoredRow stored) => TCodec.Encode(row, stored);

    private protected override RowSizes PartsOf(int dim) => TCodec.Parts(dim);

    private static Variant<RowKernels>[] ByLanes() =>
    [
        new("scalar", true, new LaneKernels<TCodec, FloatLanes1, float>()),
        new("128", Vector128.IsHardwareAccelerated, new LaneKernels<TCodec, FloatLanes128, Vector128<float>>()),
        new("256", Vector256.IsHardwareAccelerated, new LaneKernels<TCodec, FloatLanes256, Vector256<float>>()),
        new("512", Vector512.IsHardwareAccelerated, new LaneKernels<TCodec, FloatLanes512, Vector512<float>>()),
    ];
}

/// <summary>Bytes with a step and a zero for each row.</summary>
internal sealed class RangeCodec() : StoredCodec<KvInt8Codec>(errorShare: 1.0 / 255)
{
    internal override bool IsSound(ReadOnlySpan<byte> row, int toShared) => KvInt8Codec.SharedAt(row) is null;
}

/// <summary>Bytes whose steps and zeros the rows of a page share, one for each channel.</summary>
internal sealed class ChannelCodec() : StoredCodec<KvInt8Codec>(errorShare: 1.0 / 255)
{
    public override bool SealsPages => true;

    internal override int SharedBytes(int dim) => OpenChannels.SharedBytes(dim);

    internal override bool IsSound(ReadOnlySpan<byte> row, int toShared) => KvInt8Codec.SharedAt(row) == toShared;

    internal override long OpenBytes(int dim, int pageTokens) => OpenChannels.Bytes(dim, pageTokens);

    internal override OpenPage Open(int dim, int pageTokens, in RowLayout layout, int sharedAt) => new OpenChannels(dim, pageTokens, layout, sharedAt);
}
