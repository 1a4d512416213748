using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>
/// Float weights times a batch, by the assembled tile: thirty-two rows are turned into columns, 128 at a time, which is a third of the first
/// cache level, and the whole batch passes over them.
/// </summary>
internal static unsafe class FloatTileProduct<TCodec>
    where TCodec : struct, IFloatCodec
{
    private const int Rows = 32;
    private const int PanelColumns = 128;
    private const int VectorBytes = 64;

    public static bool IsSupported => AssembledKernel.IsAllowed && CpuFeatures.HasAvx512;

    [SkipLocalsInit]
    public static void Run(in ProductArguments product)
    {
        var scratch = stackalloc byte[(2 * PanelColumns + 1) * VectorBytes];
        var first = (Vector512<int>*)((nint)(scratch + VectorBytes - 1) & -VectorBytes);
        var whole = product.RowCount / Rows * Rows;
        for (var row = 0; row < whole; row += Rows)
        {
            for (var column = 0; column < product.Columns; column += PanelColumns)
            {
                var columns = Math.Min(PanelColumns, product.Columns - column);
                Unpack(new TileRows(product.WeightRow(row) + (long)column * TCodec.ElementBytes, product.RowBytes), columns, first);
                Multiply(product, row, (column, columns), (float*)first);
            }
        }

        if (whole < product.RowCount)
            RunRest(product, whole, first);
    }

    /// <summary>Fewer rows than a tile: their bytes are copied to where a whole one may be read, and results by way of a copy too.</summary>
    [SkipLocalsInit]
    private static void RunRest(in ProductArguments product, int row, Vector512<int>* panel)
    {
        var stride = PanelColumns * TCodec.ElementBytes;
        var copy = stackalloc byte[Rows * stride];
        var results = stackalloc float[FloatTileCode.MostRows * Rows];
        Unsafe.InitBlock(copy, 0, (uint)(Rows * stride));
        var bytes = (uint)((product.RowCount - row) * sizeof(float));
        for (var column = 0; column < product.Columns; column += PanelColumns)
        {
            var columns = Math.Min(PanelColumns, product.Columns - column);
            for (var i = 0; i < product.RowCount - row; i++)
                Unsafe.CopyBlockUnaligned(
                    copy + i * stride, product.WeightRow(row + i) + (long)column * TCodec.ElementBytes, (uint)(columns * TCodec.ElementBytes));
            Unpack(new TileRows(copy, stride), columns, panel);
            var arguments = Arguments(product, (column, columns), (float*)panel);
            arguments.Results = results;
            arguments.ResultStrideBytes = Rows * sizeof(float);
            for (var b = 0; b < product.Batch; b += FloatTileCode.MostRows)
            {
                var count = Math.Min(FloatTileCode.MostRows, product.Batch - b);
                for (var i = 0; i < count && column > 0; i++)
                    Unsafe.CopyBlockUnaligned(results + i * Rows, product.ResultRow(b + i) + row, bytes);
                arguments.Activations = (float*)product.ActivationRow(b) + column;
                Kernel(count)(&arguments);
                for (var i = 0; i < count; i++)
                    Unsafe.CopyBlockUnaligned(product.ResultRow(b + i) + row, results + i * Rows, bytes);
            }
        }
    }

    private static void Unpack(TileRows rows, int columns, Vector512<int>* panel)
    {
        FloatPanels<WordLanes512, Vector512<int>, TCodec>.Unpack(rows, columns, new Panel<Vector512<int>>(panel));
        FloatPanels<WordLanes512, Vector512<int>, TCodec>.Unpack(
            new TileRows(rows.Row(Rows / 2), rows.Stride), columns, new Panel<Vector512<int>>(panel + PanelColumns));
    }

    private static void Multiply(in ProductArguments product, int row, (int First, int Count) columns, float* panel)
    {
        var arguments = Arguments(product, columns, panel);
        for (var b = 0; b < product.Batch; b += FloatTileCode.MostRows)
        {
            arguments.Activations = (float*)product.ActivationRow(b) + columns.First;
            arguments.Results = product.ResultRow(b) + row;
            Kernel(Math.Min(FloatTileCode.MostRows, product.Batch - b))(&arguments);
        }
    }

    private static delegate* unmanaged<FloatTileArguments*, void> Kernel(int rows) =>
        (delegate* unmanaged<FloatTileArguments*, void>)FloatTileCode.Kernels.Address(rows);

    private static FloatTileArguments Arguments(in ProductArguments product, (int First, int Count) columns, float* panel) => new()
    {
        First = panel,
        Second = panel + PanelColumns * VectorBytes / sizeof(float),
        ActivationStrideBytes = product.ActivationBytes,
        Columns = columns.Count,
        ResultStrideBytes = (product.ResultRow(1) - product.ResultRow(0)) * sizeof(float),
        Adds = columns.First,
    };
}
