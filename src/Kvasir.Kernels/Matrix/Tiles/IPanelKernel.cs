namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>How a family of formats is unpacked into a panel and multiplied from it.</summary>
internal unsafe interface IPanelKernel<TVector>
    where TVector : unmanaged
{
    /// <summary>How many rows of activations <see cref="MultiplyBatch"/> takes: as many as the registers hold.</summary>
    static abstract int BatchRows { get; }

    /// <summary>Bytes of so many elements, whole blocks, of a row of weights.</summary>
    static abstract int WeightBytes(int columns);

    /// <summary>The rows begin where the panel's columns do.</summary>
    static abstract void Unpack(TileRows rows, int columns, Panel<TVector> panel);

    /// <summary>Adds the products with one row of activations to one vector of sums, a lane per row of weights.</summary>
    static abstract void Multiply(Panel<TVector> panel, PanelPart part, byte* activations, TVector* sums);

    /// <summary>The same for <see cref="BatchRows"/> rows, <paramref name="activationBytes"/> apart, and as many vectors of sums.</summary>
    static abstract void MultiplyBatch(Panel<TVector> panel, PanelPart part, byte* activations, int activationBytes, TVector* sums);
}

/// <summary>Which columns of its rows a panel holds: whole blocks, at most <see cref="Panel{TVector}.Columns"/>.</summary>
internal readonly record struct PanelPart(int FirstColumn, int Columns, int RowColumns);
