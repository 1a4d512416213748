using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>Float weights, a vector of rows per column: the loops are those of any matrix product in single precision.</summary>
internal readonly unsafe struct FloatPanels<TLanes, TVector, TCodec> : IPanelKernel<TVector>
    where TLanes : struct, IWordLanes<TVector>
    where TVector : unmanaged
    where TCodec : struct, IFloatCodec
{
    /// <summary>Turning rows into columns pays once so many rows of activations use it.</summary>
    public const int SmallestBatch = 4;
    private const int WordBytes = 16;

    public static int BatchRows => 8;

    public static int WeightBytes(int columns) => columns * TCodec.ElementBytes;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack(TileRows rows, int columns, Panel<TVector> panel)
    {
        var columnsPerLoad = WordBytes / TCodec.ElementBytes;
        var column = 0;
        for (; column + columnsPerLoad <= columns; column += columnsPerLoad)
        {
            TLanes.LoadWords(rows, column * TCodec.ElementBytes, out var word0, out var word1, out var word2, out var word3);
            TCodec.Unpack<TLanes, TVector>(word0, panel.Codes + column);
            TCodec.Unpack<TLanes, TVector>(word1, panel.Codes + column + columnsPerLoad / 4);
            TCodec.Unpack<TLanes, TVector>(word2, panel.Codes + column + columnsPerLoad / 2);
            TCodec.Unpack<TLanes, TVector>(word3, panel.Codes + column + columnsPerLoad * 3 / 4);
        }

        for (; column < columns; column++)
        {
            for (var lane = 0; lane < TLanes.Count; lane++)
                ((float*)(panel.Codes + column))[lane] = TCodec.Read(rows.Row(lane) + column * TCodec.ElementBytes);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(Panel<TVector> panel, PanelPart part, byte* activations, TVector* sums)
    {
        var x = (float*)activations + part.FirstColumn;
        var (even, odd) = (sums[0], TLanes.Fill(0));
        var column = 0;
        for (; column + 2 <= part.Columns; column += 2)
        {
            even = TLanes.MultiplyAdd(panel.Codes[column], TLanes.FillFloat(x[column]), even);
            odd = TLanes.MultiplyAdd(panel.Codes[column + 1], TLanes.FillFloat(x[column + 1]), odd);
        }

        if (column < part.Columns)
            even = TLanes.MultiplyAdd(panel.Codes[column], TLanes.FillFloat(x[column]), even);
        sums[0] = TLanes.Add(even, odd);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyBatch(Panel<TVector> panel, PanelPart part, byte* activations, int activationBytes, TVector* sums)
    {
        var x0 = Row(activations, activationBytes, 0, part);
        var x1 = Row(activations, activationBytes, 1, part);
        var x2 = Row(activations, activationBytes, 2, part);
        var x3 = Row(activations, activationBytes, 3, part);
        var x4 = Row(activations, activationBytes, 4, part);
        var x5 = Row(activations, activationBytes, 5, part);
        var x6 = Row(activations, activationBytes, 6, part);
        var x7 = Row(activations, activationBytes, 7, part);
        var (sum0, sum1, sum2, sum3) = (sums[0], sums[1], sums[2], sums[3]);
        var (sum4, sum5, sum6, sum7) = (sums[4], sums[5], sums[6], sums[7]);
        for (var column = 0; column < part.Columns; column++)
        {
            var w = panel.Codes[column];
            sum0 = TLanes.MultiplyAdd(w, TLanes.FillFloat(x0[column]), sum0);
            sum1 = TLanes.MultiplyAdd(w, TLanes.FillFloat(x1[column]), sum1);
            sum2 = TLanes.MultiplyAdd(w, TLanes.FillFloat(x2[column]), sum2);
            sum3 = TLanes.MultiplyAdd(w, TLanes.FillFloat(x3[column]), sum3);
            sum4 = TLanes.MultiplyAdd(w, TLanes.FillFloat(x4[column]), sum4);
            sum5 = TLanes.MultiplyAdd(w, TLanes.FillFloat(x5[column]), sum5);
            sum6 = TLanes.MultiplyAdd(w, TLanes.FillFloat(x6[column]), sum6);
            sum7 = TLanes.MultiplyAdd(w, TLanes.FillFloat(x7[column]), sum7);
        }

        (sums[0], sums[1], sums[2], sums[3]) = (sum0, sum1, sum2, sum3);
        (sums[4], sums[5], sums[6], sums[7]) = (sum4, sum5, sum6, sum7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Row(byte* activations, int activationBytes, int row, PanelPart part) =>
        (float*)(activations + (long)row * activationBytes) + part.FirstColumn;
}
