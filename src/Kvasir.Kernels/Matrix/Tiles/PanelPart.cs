namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>Which columns of its rows a panel holds: whole blocks, at most <see cref="Panel{TVector}.Columns"/>.</summary>
internal readonly record struct PanelPart(int FirstColumn, int Columns, int RowColumns);
