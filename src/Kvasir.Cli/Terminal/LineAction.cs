namespace Kvasir.Cli.Terminal;

/// <summary>What a key asks of whoever reads the line.</summary>
internal enum LineAction
{
    /// <summary>Show the line again.</summary>
    Redraw,

    /// <summary>The line is complete.</summary>
    Submit,

    /// <summary>Ctrl-C.</summary>
    Interrupt,

    /// <summary>Ctrl-D on an empty line.</summary>
    End,

    /// <summary>Ctrl-L.</summary>
    ClearScreen,
}
