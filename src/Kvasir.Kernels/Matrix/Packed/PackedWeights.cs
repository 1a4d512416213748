using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Matrix.Tiles;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>
/// Weights in the order in which the assembled kernels read them: thirty-two rows side by side, so that a vector of codes is loaded as it is
/// multiplied and decoding streams memory at its own pace. A packed matrix takes as many bytes as the stored one, up to 3 % more.
/// </summary>
public static unsafe class PackedWeights
{
    private static readonly PanelFormat?[] Formats = Table(
        new Q4_0Panels(), new Q8_0Panels(), new Q4_KPanels(), new Q6_KPanels(), new MXFP4Panels(), new IQ4_NLPanels(), new IQ4_XSPanels());

    /// <summary>Rows that are packed together; products of a packed matrix begin at multiples of this.</summary>
    public static int PanelRows => PanelFormat.Rows;

    /// <summary>Whether this machine has kernels that gain from packed weights of this type.</summary>
    public static bool Pays(WeightType type) =>
        AssembledKernel.IsAllowed && Formats[(int)type] is not null;

    /// <summary>Bytes of a packed matrix; rows are filled up to whole panels.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The type has no packed form, or the columns are not whole blocks.</exception>
    public static long Bytes(WeightType type, int rows, int columns)
    {
        _ = WeightLayout.RowBytes(type, columns);
        return PanelCount(rows) * PanelBytes(Format(type), columns);
    }

    /// <summary>Panels of a matrix of <paramref name="rows"/> rows.</summary>
    public static int PanelCount(int rows) => (rows + PanelFormat.Rows - 1) / PanelFormat.Rows;

    /// <summary>
    /// Packs panels [<paramref name="firstPanel"/>, <paramref name="firstPanel"/> + <paramref name="panelCount"/>); threads may share a matrix.
    /// </summary>
    /// <param name="source">As stored, of a type that <see cref="Pays"/>.</param>
    /// <param name="destination">The whole packed matrix: <see cref="Bytes"/> long.</param>
    /// <exception cref="ArgumentOutOfRangeException">A panel lies outside the matrix, or the destination is too short.</exception>
    public static void Pack(in WeightMatrix source, int firstPanel, int panelCount, NativeView destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstPanel);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstPanel + panelCount, PanelCount(source.Rows), nameof(panelCount));
        var format = Format(source.Type);
        var panelBytes = PanelBytes(format, source.Columns);
        var target = destination.Slice(firstPanel * panelBytes, panelCount * panelBytes).Start;
        for (var panel = firstPanel; panel < firstPanel + panelCount; panel++, target += panelBytes)
        {
            var row = panel * PanelFormat.Rows;
            if (row + PanelFormat.Rows <= source.Rows)
                PackPanel(format, new TileRows(source.Data.Start + row * source.RowBytes, (nint)source.RowBytes), source.Columns, target);
            else
                PackPadded(format, source, row, target);
        }
    }

    internal static PanelFormat Format(WeightType type) =>
        Formats[(int)type] ?? throw new ArgumentOutOfRangeException(nameof(type), $"{type} has no packed form");

    internal static long PanelBytes(PanelFormat format, int columns) =>
        (long)columns / WeightLayout.BlockElements(format.Type) * format.BlockBytes;

    private static PanelFormat?[] Table(params ReadOnlySpan<PanelFormat> formats)
    {
        var table = new PanelFormat?[Enum.GetValues<WeightType>().Length];
        foreach (var format in formats)
            table[(int)format.Type] = format;
        return table;
    }

    private static void PackPanel(PanelFormat format, TileRows rows, int columns, byte* target)
    {
        var blocks = columns / WeightLayout.BlockElements(format.Type);
        var blockBytes = WeightLayout.BlockBytes(format.Type);
        for (var block = 0; block < blocks; block++, target += format.BlockBytes)
            format.Pack(rows, block * blockBytes, target, target + format.CodeBytes);
    }

    /// <summary>The last panel: rows that do not exist are zeros, and so are their scales.</summary>
    private static void PackPadded(PanelFormat format, in WeightMatrix source, int row, byte* target)
    {
        using var copy = new NativeBuffer(PanelFormat.Rows * source.RowBytes);
        source.Data.Slice(row * source.RowBytes, (source.Rows - row) * source.RowBytes).CopyTo(copy.View);
        PackPanel(format, new TileRows(copy.View.Start, (nint)source.RowBytes), source.Columns, target);
    }
}
