namespace Kvasir.Cli.Demo;

/// <summary>How a cell looks where there are colours.</summary>
internal enum CellTone
{
    Plain,

    /// <summary>Less than the others.</summary>
    Dim,

    /// <summary>Green.</summary>
    Right,

    /// <summary>Red.</summary>
    Wrong,
}
