namespace Kvasir.Cli.Demo;

/// <summary>How a cell looks where there are colours.</summary>
internal enum Tone
{
    Plain,

    /// <summary>Less than the others.</summary>
    Dim,

    /// <summary>Green.</summary>
    Right,

    /// <summary>Red.</summary>
    Wrong,
}
