using System.Globalization;
using System.Text;
using Kvasir.Cache;
using Kvasir.Files;

namespace Kvasir.Measurement;

/// <summary>
/// Pages that a policy read in each step of an answer, head by head: what decides whether keys and values can lie on file, and how large a memory before it
/// pays. A file of it is text: a head of five lines, and a line for each step of HEAD:PAGES, pages as 3-7,9.
/// </summary>
public sealed record PageTrace
{
    /// <summary>Steps without which a page counts as new.</summary>
    public const int NewSteps = 12;

    private const string Title = "kvasir page trace 1";
    private const long LimitBytes = 1L << 30;
    private const int MostHeads = 1 << 20;
    private const int MostPages = 1 << 26;

    /// <summary>For people.</summary>
    public required string Model { get; init; }

    /// <summary>As on the command line.</summary>
    public required string Policy { get; init; }

    /// <summary>Of the model, those alone that see all rows.</summary>
    public required int LayerCount { get; init; }

    /// <summary>Of a layer.</summary>
    public required int KvHeadCount { get; init; }

    /// <summary>In sight of the first step.</summary>
    public required int Rows { get; init; }

    /// <summary>[steps][layers x KV heads]: pages of a head, ascending.</summary>
    public required IReadOnlyList<int[][]> Steps { get; init; }

    /// <summary>Of all heads, in the mean of all steps.</summary>
    public double PagesPerStep => Steps.Average(static step => step.Sum(static head => (long)head.Length));

    /// <summary>Of the pages in sight, the share that a step reads.</summary>
    public double TouchedShare
    {
        get
        {
            var heads = (long)LayerCount * KvHeadCount;
            return Steps.Select((step, index) => (double)step.Sum(static head => (long)head.Length) / (heads * PagesOf(Rows + index))).Average();
        }
    }

    /// <summary>Of a step's pages, how many the step before has read too.</summary>
    public double AgainShare => ShareOf((step, head, page) => Array.BinarySearch(Steps[step - 1][head], page) >= 0, from: 1);

    /// <summary>Pages that no step has read for <see cref="NewSteps"/> steps, of a head and a step; NaN where there are no more steps than these.</summary>
    public double NewPages
    {
        get
        {
            if (Steps.Count <= NewSteps)
                return double.NaN;
            var known = 1 - ShareOf(IsKnown, NewSteps);
            return known * Steps.Skip(NewSteps).Average(static step => step.Average(static head => head.Length));

            bool IsKnown(int step, int head, int page)
            {
                for (var before = step - NewSteps; before < step; before++)
                {
                    if (Array.BinarySearch(Steps[before][head], page) >= 0)
                        return true;
                }

                return false;
            }
        }
    }

    /// <summary>Pages of a head with so many rows.</summary>
    public static int PagesOf(int rows) => (rows + PagePool.PageTokens - 1) / PagePool.PageTokens;

    /// <exception cref="IOException">It cannot be written.</exception>
    public void Write(TextWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteLine(Title);
        writer.WriteLine($"model {MessageText.Line(Model)}");
        writer.WriteLine($"policy {Policy}");
        writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"heads {LayerCount} {KvHeadCount}"));
        writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"rows {Rows}"));
        foreach (var step in Steps)
            writer.WriteLine(string.Join(' ', step.Select(static (pages, head) => (pages, head)).Where(static own => own.pages.Length > 0).Select(Text)));
    }

    /// <exception cref="KvasirException">There is no such file, or it is no trace; the message names its line.</exception>
    public static PageTrace Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var lines = PlainText.ReadFile(path, LimitBytes).Split('\n');
        var number = 0;
        if (Next() != Title)
            throw Problem($"is not '{Title}', as kvasir bench --trace writes");
        var (model, policy) = (After("model "), After("policy "));
        var heads = Numbers(After("heads "), 2);
        var rows = Numbers(After("rows "), 1)[0];
        if (heads[0] < 1 || heads[1] < 1 || heads[0] > MostHeads / heads[1])
            throw Problem($"names {heads[0]} layers of {heads[1]} heads; 1 to {MostHeads} heads in all were expected");
        var steps = new List<int[][]>();
        while (number < lines.Length && (lines[number].Length > 0 || number < lines.Length - 1))
            steps.Add(Step(Next(), heads[0] * heads[1]));
        if (steps.Count == 0)
            throw Problem("is the end; a line for each step was expected");
        return new PageTrace { Model = model, Policy = policy, LayerCount = heads[0], KvHeadCount = heads[1], Rows = rows, Steps = steps };

        string Next() => number < lines.Length ? lines[number++].TrimEnd('\r') : throw Problem("is missing");

        string After(string key) => Next() is var line && line.StartsWith(key, StringComparison.Ordinal)
            ? line[key.Length..]
            : throw Problem($"does not begin with '{key}'");

        int[] Numbers(string text, int count)
        {
            var numbers = Array.ConvertAll(text.Split(' '), static part => TryNumber(part, out var number) ? number : -1);
            return numbers.Length == count && Array.TrueForAll(numbers, static number => number >= 0)
                ? numbers
                : throw Problem($"has not {count} whole numbers");
        }

        int[][] Step(string line, int count)
        {
            var step = new int[count][];
            Array.Fill(step, []);
            foreach (var part in line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                if (!TryParse(part, count, out var head, out var pages))
                {
                    var shown = MessageText.Name(part.Length > 40 ? part[..40] : part);
                    throw Problem($"holds {shown}, which is not HEAD:PAGES of {count} heads with pages ascending");
                }

                step[head] = pages;
            }

            return step;
        }

        KvasirException Problem(string what) =>
            new(KvasirError.BadFile, string.Create(CultureInfo.InvariantCulture, $"{MessageText.Line(path)}: line {Math.Max(1, number)} {what}"));
    }

    private static string Text((int[] Pages, int Head) own)
    {
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"{own.Head}:");
        for (var i = 0; i < own.Pages.Length; i++)
        {
            var last = i;
            while (last + 1 < own.Pages.Length && own.Pages[last + 1] == own.Pages[last] + 1)
                last++;
            text.Append(i == 0 ? "" : ",").Append(CultureInfo.InvariantCulture, $"{own.Pages[i]}");
            if (last > i)
                text.Append(CultureInfo.InvariantCulture, $"-{own.Pages[last]}");
            i = last;
        }

        return text.ToString();
    }

    private static bool TryParse(string part, int heads, out int head, out int[] pages)
    {
        pages = [];
        var colon = part.IndexOf(':', StringComparison.Ordinal);
        if (!TryNumber(colon < 0 ? "" : part.AsSpan(0, colon), out head) || head >= heads)
            return false;
        var all = new List<int>();
        foreach (var piece in part[(colon + 1)..].Split(','))
        {
            var dash = piece.IndexOf('-', StringComparison.Ordinal);
            var firstText = dash < 0 ? piece : piece[..dash];
            if (!TryNumber(firstText, out var first) || !TryNumber(dash < 0 ? firstText : piece.AsSpan(dash + 1), out var last)
                || last < first || last >= MostPages / heads || (all is [.., var before] && first <= before))
            {
                return false;
            }

            for (var page = first; page <= last; page++)
                all.Add(page);
        }

        pages = [.. all];
        return true;
    }

    private static bool TryNumber(ReadOnlySpan<char> text, out int value) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private double ShareOf(Func<int, int, int, bool> isSo, int from)
    {
        var (so, all) = (0L, 0L);
        for (var step = from; step < Steps.Count; step++)
        {
            for (var head = 0; head < Steps[step].Length; head++)
            {
                foreach (var page in Steps[step][head])
                    (so, all) = (so + (isSo(step, head, page) ? 1 : 0), all + 1);
            }
        }

        return all == 0 ? double.NaN : (double)so / all;
    }
}
