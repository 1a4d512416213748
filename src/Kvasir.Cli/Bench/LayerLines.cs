using System.Globalization;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Bench;

/// <summary>Two lines for each case of a <see cref="BenchReport"/>: percent of the keys, and blocks, that each layer read.</summary>
internal static class LayerLines
{
    public static void Write(BenchReport report, TextWriter output)
    {
        foreach (var row in report.Results)
        {
            if (row.PerLayer is not { } layers)
                continue;
            output.WriteLine($"\nlayers 0 to {layers.Length - 1}, depth {SizeText.Count(row.Depth)}, batch {SizeText.Count(row.Batch)}, {row.Attention}");
            output.WriteLine($"  keys read, %: {Figures(layers, static layer => 100 * layer.KeysReadShare)}");
            if (Array.Exists(layers, static layer => layer.BlocksRead is not null))
                output.WriteLine($"  blocks read of a sequence by a KV head: {Figures(layers, static layer => layer.BlocksRead ?? 0)}");
            if (Array.Exists(layers, static layer => layer.CutShare is not null))
                output.WriteLine($"  heads of a step that stopped at the most they may read, %: {Figures(layers, static layer => 100 * layer.CutShare ?? 0)}");
            if (row.KvPages is { } pages)
                output.WriteLine($"  pages that were in memory, %: {string.Join(' ', pages.LayerHitShares.Select(static share => Percent(share)))}");
        }
    }

    private static string Percent(double? share) => share is { } part ? (100 * part).ToString("0.#", CultureInfo.InvariantCulture) : "-";

    private static string Figures(BenchLayer[] layers, Func<BenchLayer, double> figure) =>
        string.Join(' ', layers.Select(layer => figure(layer).ToString("0.#", CultureInfo.InvariantCulture)));
}
