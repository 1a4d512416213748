using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Iced.Intel;
using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Machine;
using Kvasir.Kernels.Matrix.Amx;
using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>
/// How a weight type is packed into panels, and how a block of a panel is multiplied. A panel is thirty-two rows: of each
/// block the codes, then the scales, so that a matrix is one stream from its first byte to its last. Codes are unsigned; a vector holds four columns
/// of each of sixteen rows, and is followed by the same columns of the other sixteen.
/// </summary>
internal abstract unsafe class PanelFormat
{
    /// <summary>Rows of a panel: the 32-bit lanes of two vectors.</summary>
    public const int Rows = 32;

    protected const int VectorBytes = 64;

    // AMD's families of cores before it were not measured with 512 bits.
    private const int Zen5 = 0x1A;

    private static readonly WeightsAhead Ahead = Processor.AmdFamily >= Zen5 ? WeightsAhead.HalfPages : WeightsAhead.Lines;

    private static readonly PanelForm Fastest = CpuFeatures.HasVnni ? PanelForm.Panels512 : PanelForm.Strips256;

    protected PanelFormat(WeightType type)
    {
        Type = type;
        Activations = Matrix.Activations.TilesOf(Matrix.Activations.KindOf(type));
        Kernels = new KernelTable(ActivationTile.MostRows, (code, rows) => Write(Fastest, code, rows, Ahead));
    }

    public WeightType Type { get; }

    /// <summary>The form of the activations: codes and scales of blocks as long as the weights' own.</summary>
    public ActivationKind Activations { get; }

    /// <summary>By rows of activations: functions of <see cref="PanelArguments"/>.</summary>
    public KernelTable Kernels { get; }

    /// <summary>Bytes of codes of a panel and one block.</summary>
    public abstract int CodeBytes { get; }

    /// <summary>Bytes of scales of a panel and one block.</summary>
    public abstract int ScaleBytes { get; }

    /// <summary>Bytes of a panel and one block.</summary>
    public int BlockBytes => CodeBytes + ScaleBytes;

    /// <summary>Packs one block of the rows of a panel, which begins <paramref name="offset"/> bytes into them.</summary>
    public abstract void Pack(TileRows rows, int offset, byte* codes, byte* scales);

    /// <summary>Writes one block of a panel as bf16 numbers: <see cref="Bf16Pairs"/>.</summary>
    public abstract void Widen(byte* codes, byte* scales, byte* pairs);

    /// <summary>Vectors that no block changes.</summary>
    public abstract void WriteConstants(PanelCode panel);

    /// <summary>Code that multiplies one block, adds it to the sums, and moves <see cref="PanelCode.Codes"/> past the block.</summary>
    public abstract void WriteBlock(PanelCode panel);

    /// <summary>As the other form, with 256-bit vectors, for the strips that are held.</summary>
    public abstract void WriteBlock(StripCode strips);

    /// <summary>Writes the kernel for so many rows of activations; strips always ask for every line ahead.</summary>
    public void Write(PanelForm form, Assembler code, int rows, WeightsAhead ahead)
    {
        if (form == PanelForm.Panels512)
            new PanelCode(code, rows, ahead, BlockBytes).Write(this);
        else
            new StripCode(code, rows, BlockBytes).Write(this);
    }

    /// <summary>A half-precision number of each row, at the same offset.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected static void PackHalves(TileRows rows, int offset, byte* destination)
    {
        for (var row = 0; row < Rows; row++)
            ((ushort*)destination)[row] = *(ushort*)(rows.Row(row) + offset);
    }

    /// <summary>Bytes of each row, a multiple of 16, four of them per lane; <paramref name="flipped"/> are the bits to turn over.</summary>
    protected static void PackWords(TileRows rows, int offset, int bytes, byte* destination, int flipped = 0)
    {
        if (WordLanes512.IsSupported)
            PackWords<WordLanes512, Vector512<int>>(rows, offset, bytes, (Vector512<int>*)destination, flipped);
        else
            PackWords<WordLanes256, Vector256<int>>(rows, offset, bytes, (Vector256<int>*)destination, flipped);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackWords<TLanes, TVector>(TileRows rows, int offset, int bytes, TVector* destination, int flipped)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged
    {
        var flip = TLanes.Fill(flipped);
        var parts = Rows / TLanes.Count;
        for (var part = 0; part < parts; part++)
        {
            var source = new TileRows(rows.Row(part * TLanes.Count), rows.Stride);
            var target = destination + part;
            for (var i = 0; i < bytes; i += 16, target += 4 * parts)
            {
                TLanes.LoadWords(source, offset + i, out var word0, out var word1, out var word2, out var word3);
                target[0] = TLanes.Xor(word0, flip);
                target[parts] = TLanes.Xor(word1, flip);
                target[2 * parts] = TLanes.Xor(word2, flip);
                target[3 * parts] = TLanes.Xor(word3, flip);
            }
        }
    }
}

/// <summary>The two ways in which packed weights are multiplied; results are the same, bit for bit.</summary>
internal enum PanelForm
{
    /// <summary>256-bit vectors and VPMADDUBSW: AVX2, FMA and F16C.</summary>
    Strips256,

    /// <summary>512-bit vectors and VPDPBUSD: AVX-512 with VNNI.</summary>
    Panels512,
}

/// <summary>What a kernel that reads weights from memory asks for ahead. The hardware follows a stream by itself, but stops at the end of each page.</summary>
internal enum WeightsAhead
{
    /// <summary>Every line: what paid on the Intel processors that were measured.</summary>
    Lines,

    /// <summary>
    /// One line of every 2 KiB where one row of activations meets short blocks, after which the hardware goes on alone; else every line. On two Zen 5 cores a
    /// loop in C read 70 GB/s so, and 43 to 52 when it asked for every line; the likely reason is that the hardware follows a stream of misses further than
    /// loads and prefetches can, and sees none where each line was asked for.
    /// </summary>
    HalfPages,
}
