using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>
/// How prepared activations lie for packed weights: in tiles of at most 6 rows, block after block, so that a kernel reads one stream. A
/// block of a tile is: the codes, 32 of each row at a time; the scale of each row; what makes up for codes of weights that are multiplied
/// unsigned, of each row: -8 times the sum of a block of 32, or -32 times the sums of the sixteen 16s of a block of 256, in the order in
/// which <see cref="Q6_KPanels"/> takes them; for blocks of 256 the sums of the eight 32s of each row.
/// </summary>
internal static unsafe class ActivationTile
{
    /// <summary>As many as leave a kernel enough registers.</summary>
    public const int MostRows = 6;

    private const int Block32 = Q8Block32Row.BlockElements;
    private const int Block256 = Q8Block256Row.BlockElements;
    private const int Block32Bytes = Block32 + sizeof(float) + sizeof(int);
    private const int Sums16 = Q8Block256Row.Sums16PerBlock;
    private const int Sums32Bytes = Q8Block256Row.Sums32PerBlock * sizeof(short);
    private const int Block256Bytes = Block256 + sizeof(float) + Sums16 * sizeof(int) + Sums32Bytes;
    private const int Q6Offset = -32;

    // Rows are quantised by parts that fit the stack.
    private const int PartColumns = 1024;

    /// <summary>Bytes of one row and one block.</summary>
    public static int BlockBytes(ActivationKind kind) => kind == ActivationKind.Q8Block32Tiles ? Block32Bytes : Block256Bytes;

    /// <summary>Where a block of <paramref name="rows"/> rows keeps their scales.</summary>
    public static int Scales32At(int rows) => rows * Block32;

    /// <summary>Blocks of 32: an offset of each row.</summary>
    public static int Offsets32At(int rows) => rows * (Block32 + sizeof(float));

    /// <summary>Blocks of 256: the scale of each row.</summary>
    public static int Scales256At(int rows) => rows * Block256;

    /// <summary>Blocks of 256: sixteen times an offset of each row.</summary>
    public static int Offsets256At(int rows) => rows * (Block256 + sizeof(float));

    /// <summary>Blocks of 256: eight sums of each row, as 16 bits.</summary>
    public static int Sums32At(int rows) => rows * (Block256 + sizeof(float) + Sums16 * sizeof(int));

    /// <summary>Rows in the tile that row <paramref name="row"/> of a batch belongs to.</summary>
    public static int RowsOfTile(int row, int batch) => Math.Min(MostRows, batch - row / MostRows * MostRows);

    /// <summary>Quantises row <paramref name="row"/> of a batch into its place in <paramref name="prepared"/>, which is the whole batch's.</summary>
    [SkipLocalsInit]
    public static void Prepare(ActivationKind kind, ReadOnlySpan<float> values, int row, int batch, byte* prepared)
    {
        var rowKind = kind == ActivationKind.Q8Block32Tiles ? ActivationKind.Q8Block32 : ActivationKind.Q8Block256;
        var rows = RowsOfTile(row, batch);
        var slot = row % MostRows;
        var tile = prepared + (row - slot) * (long)Activations.RowBytes(kind, values.Length);
        Span<byte> part = stackalloc byte[Activations.RowBytes(rowKind, PartColumns)];
        for (var first = 0; first < values.Length; first += PartColumns)
        {
            var columns = Math.Min(PartColumns, values.Length - first);
            var own = part[..Activations.RowBytes(rowKind, columns)];
            Activations.Prepare(rowKind, values.Slice(first, columns), own);
            fixed (byte* source = own)
            {
                if (kind == ActivationKind.Q8Block32Tiles)
                    Place32(new Q8Block32Row(source, columns), columns / Block32, slot, rows, tile + (long)first / Block32 * rows * Block32Bytes);
                else
                    Place256(new Q8Block256Row(source, columns), columns / Block256, slot, rows, tile + (long)first / Block256 * rows * Block256Bytes);
            }
        }
    }

    private static void Place32(Q8Block32Row source, int blocks, int slot, int rows, byte* target)
    {
        for (var block = 0; block < blocks; block++, target += rows * Block32Bytes)
        {
            Copy(source.Codes + block * Block32, target + slot * Block32, Block32);
            ((float*)(target + Scales32At(rows)))[slot] = source.Scales[block];
            ((int*)(target + Offsets32At(rows)))[slot] = source.NibbleOffsets[block];
        }
    }

    private static void Place256(Q8Block256Row source, int blocks, int slot, int rows, byte* target)
    {
        for (var block = 0; block < blocks; block++, target += rows * Block256Bytes)
        {
            for (var group = 0; group < Block256 / Block32; group++)
                Copy(source.Codes + block * Block256 + group * Block32, target + (group * rows + slot) * Block32, Block32);
            ((float*)(target + Scales256At(rows)))[slot] = source.Scales[block];
            var offsets = (int*)(target + Offsets256At(rows));
            for (var i = 0; i < Sums16; i++)
                offsets[i * rows + slot] = Q6Offset * source.Sums16[block * Sums16 + Q6_KPanels.Group(i / 4, i % 4)];
            Copy(source.Sums32 + block * Q8Block256Row.Sums32PerBlock, target + Sums32At(rows) + slot * Sums32Bytes, Sums32Bytes);
        }
    }

    private static void Copy(void* source, byte* target, int bytes) => Unsafe.CopyBlockUnaligned(target, source, (uint)bytes);
}
