namespace Kvasir.Cli.Demo;

/// <summary>What stands in a table's row and column.</summary>
internal readonly record struct TableCell(string Text, CellTone Tone = CellTone.Plain);
