using System.Runtime.Intrinsics;
using Kvasir.Kernels.Matrix.Amx;
using Kvasir.Kernels.Matrix.Packed;

namespace Kvasir.Kernels.Matrix;

internal unsafe delegate void QuantizeKernel(float* row, int columns, byte* prepared);

/// <summary>
/// Prepares activations once per row, for every matrix of the same kind. The integers and scales are llama.cpp's (q8_0 with its
/// half-precision scale, q8_K), since its logits are the yardstick; rounding is to nearest, ties to even.
/// </summary>
public static unsafe class Activations
{
    internal static readonly Variant<QuantizeKernel>[] Block32Variants =
        [new("scalar", true, Block32Quantizer.Scalar), new("256", Vector256.IsHardwareAccelerated, Block32Quantizer.Wide256)];

    internal static readonly Variant<QuantizeKernel>[] Block256Variants =
        [new("scalar", true, Block256Quantizer.Scalar), new("256", Vector256.IsHardwareAccelerated, Block256Quantizer.Wide256)];

    /// <summary>The form that a product with weights of this type expects.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The type is not one of <see cref="WeightType"/>'s.</exception>
    public static ActivationKind KindOf(WeightType type) => WeightLayout.BlockElements(type) switch
    {
        1 => ActivationKind.F32,
        Q8Block32Row.BlockElements => ActivationKind.Q8Block32,
        _ => ActivationKind.Q8Block256,
    };

    /// <summary>
    /// The form that a product of these weights with a batch of so many rows expects: tiles when the weights are packed or the batch is large.
    /// </summary>
    public static ActivationKind KindOf(in WeightMatrix weights, int batch) => KindOf(weights.Type, weights.IsPacked, weights.Columns, batch);

    /// <summary>The same of weights that are not there yet.</summary>
    /// <param name="isPacked">Whether they will be packed.</param>
    /// <param name="columns">Of the matrix.</param>
    public static ActivationKind KindOf(WeightType type, bool isPacked, int columns, int batch)
    {
        if (AmxProduct.Pays(type, isPacked, columns, batch))
            return AmxProduct.KindOf(type);
        return isPacked ? TilesOf(KindOf(type)) : KindOf(type);
    }

    /// <summary>Bytes of one prepared row; a multiple of 4.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The columns are negative, not whole blocks, or too many for a row below 2 GiB.</exception>
    public static int RowBytes(ActivationKind kind, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        var bytes = kind switch
        {
            ActivationKind.F32 => (long)columns * sizeof(float),
            ActivationKind.Q8Block32 => Q8Block32Row.Bytes(WholeBlocks(columns, Q8Block32Row.BlockElements)),
            ActivationKind.Q8Block256 => Q8Block256Row.Bytes(WholeBlocks(columns, Q8Block256Row.BlockElements)),
            ActivationKind.Q8Block32Tiles or ActivationKind.Q8Block256Tiles =>
                (long)WholeBlocks(columns, TileBlockElements(kind)) / TileBlockElements(kind) * ActivationTile.BlockBytes(kind),
            ActivationKind.BF16Tiles or ActivationKind.BF16PairTiles =>
                (long)WholeBlocks(columns, AmxActivations.StepColumns) * sizeof(ushort) * AmxActivations.Parts(kind),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), $"{kind} is not an activation kind"),
        };
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, int.MaxValue, nameof(columns));
        return (int)bytes;
    }

    /// <summary>
    /// Prepares row <paramref name="index"/> of a batch into its place in <paramref name="prepared"/>, which is [batch, <see cref="RowBytes"/>] for
    /// the whole batch. Rows of a batch may be prepared by several threads.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The row lies outside the batch, the buffer is too short, or the row is not whole blocks.</exception>
    public static void Prepare(ActivationKind kind, ReadOnlySpan<float> row, int index, int batch, Span<byte> prepared)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)batch, nameof(index));
        var bytes = RowBytes(kind, row.Length);
        ArgumentOutOfRangeException.ThrowIfLessThan(prepared.Length, (long)batch * bytes, nameof(prepared));
        fixed (byte* destination = prepared)
        {
            if (kind is ActivationKind.Q8Block32Tiles or ActivationKind.Q8Block256Tiles)
                ActivationTile.Prepare(kind, row, index, batch, destination);
            else if (kind is ActivationKind.BF16Tiles or ActivationKind.BF16PairTiles)
                AmxActivations.Prepare(kind, row, index, batch, destination);
            else
                Prepare(kind, row, prepared.Slice(index * bytes, bytes));
        }
    }

    /// <summary>
    /// Fills <paramref name="prepared"/>, exactly <see cref="RowBytes"/> long, from a row of whole blocks. A NaN or an infinity
    /// makes every product of the row NaN or infinite. Tiles hold several rows: see the other form.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The lengths do not match, the row is not whole blocks, or the kind is one of tiles.</exception>
    public static void Prepare(ActivationKind kind, ReadOnlySpan<float> row, Span<byte> prepared)
    {
        var bytes = RowBytes(kind, row.Length);
        if (prepared.Length != bytes)
            throw new ArgumentOutOfRangeException(nameof(prepared), $"{row.Length} activations take {bytes} bytes as {kind}, not {prepared.Length}");

        fixed (float* source = row)
        fixed (byte* destination = prepared)
        {
            if (kind == ActivationKind.F32)
                Buffer.MemoryCopy(source, destination, bytes, bytes);
            else if (kind == ActivationKind.Q8Block32)
                QuantizeBlock32(source, row.Length, destination);
            else if (kind == ActivationKind.Q8Block256)
                QuantizeBlock256(source, row.Length, destination);
            else
                throw new ArgumentOutOfRangeException(nameof(kind), $"{kind} holds rows of a batch");
        }
    }

    internal static ActivationKind TilesOf(ActivationKind kind) => kind switch
    {
        ActivationKind.Q8Block32 => ActivationKind.Q8Block32Tiles,
        ActivationKind.Q8Block256 => ActivationKind.Q8Block256Tiles,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), $"{kind} has no tiles"),
    };

    private static int TileBlockElements(ActivationKind kind) =>
        kind == ActivationKind.Q8Block32Tiles ? Q8Block32Row.BlockElements : Q8Block256Row.BlockElements;

    private static void QuantizeBlock32(float* row, int columns, byte* prepared)
    {
        if (Vector256.IsHardwareAccelerated)
            Block32Quantizer.Wide256(row, columns, prepared);
        else
            Block32Quantizer.Scalar(row, columns, prepared);
    }

    private static void QuantizeBlock256(float* row, int columns, byte* prepared)
    {
        if (Vector256.IsHardwareAccelerated)
            Block256Quantizer.Wide256(row, columns, prepared);
        else
            Block256Quantizer.Scalar(row, columns, prepared);
    }

    private static int WholeBlocks(int columns, int blockElements) => columns % blockElements == 0
        ? columns
        : throw new ArgumentOutOfRangeException(nameof(columns), $"{columns} activations are not whole blocks of {blockElements}");
}
