using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>
/// How prepared activations lie for packed weights: in tiles of at most 6 rows, block after block, so that a kernel reads one stream. A
/// block of a tile is the codes of each row, then the scale of each row, then for blocks of 32 the offset of each row (-8 times the sum of
/// its codes), for blocks of 256 the sums by 16 of each row and the sums by 32 of each row.
/// </summary>
internal static unsafe class ActivationTile
{
    /// <summary>As many as leave a kernel enough registers.</summary>
    public const int MostRows = 6;

    private const int Block32 = Q8Block32Row.BlockElements;
    private const int Block256 = Q8Block256Row.BlockElements;
    private const int Block32Bytes = Block32 + sizeof(float) + sizeof(int);
    private const int Sums16Bytes = Q8Block256Row.Sums16PerBlock * sizeof(short);
    private const int Sums32Bytes = Q8Block256Row.Sums32PerBlock * sizeof(short);
    private const int Block256Bytes = Block256 + sizeof(float) + Sums16Bytes + Sums32Bytes;

    // Rows are quantised by parts that fit the stack.
    private const int PartColumns = 1024;

    /// <summary>Bytes of one row and one block.</summary>
    public static int BlockBytes(ActivationKind kind) => kind == ActivationKind.Q8Block32Tiles ? Block32Bytes : Block256Bytes;

    /// <summary>Where a block of <paramref name="rows"/> rows keeps its scales.</summary>
    public static int Scales32At(int rows) => rows * Block32;

    /// <summary>Blocks of 32.</summary>
    public static int OffsetsAt(int rows) => rows * (Block32 + sizeof(float));

    /// <summary>Blocks of 256: the scale of each row.</summary>
    public static int Scales256At(int rows) => rows * Block256;

    /// <summary>Blocks of 256: sixteen sums of each row.</summary>
    public static int Sums16At(int rows) => rows * (Block256 + sizeof(float));

    /// <summary>Blocks of 256: eight sums of each row.</summary>
    public static int Sums32At(int rows) => rows * (Block256 + sizeof(float) + Sums16Bytes);

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
            ((int*)(target + OffsetsAt(rows)))[slot] = source.NibbleOffsets[block];
        }
    }

    private static void Place256(Q8Block256Row source, int blocks, int slot, int rows, byte* target)
    {
        for (var block = 0; block < blocks; block++, target += rows * Block256Bytes)
        {
            Copy(source.Codes + block * Block256, target + slot * Block256, Block256);
            ((float*)(target + Scales256At(rows)))[slot] = source.Scales[block];
            Copy(source.Sums16 + block * Q8Block256Row.Sums16PerBlock, target + Sums16At(rows) + slot * Sums16Bytes, Sums16Bytes);
            Copy(source.Sums32 + block * Q8Block256Row.Sums32PerBlock, target + Sums32At(rows) + slot * Sums32Bytes, Sums32Bytes);
        }
    }

    private static void Copy(void* source, byte* target, int bytes) => new ReadOnlySpan<byte>(source, bytes).CopyTo(new Span<byte>(target, bytes));
}
