using System.Globalization;
using System.IO.Compression;
using System.Text;

namespace Kvasir.Text.Words;

/// <summary>
/// Unicode normalisation form C (UAX 15). Written out because string.Normalize leaves its input alone in
/// globalisation-invariant mode, which Kvasir runs in.
/// </summary>
internal static class CanonicalForm
{
    private const int HangulFirst = 0xAC00, LeadFirst = 0x1100, VowelFirst = 0x1161, TailFirst = 0x11A7;
    private const int LeadCount = 19, VowelCount = 21, TailCount = 28, HangulCount = LeadCount * VowelCount * TailCount;

    private static readonly Tables Unicode = Tables.Load();

    /// <summary>The composed form; <paramref name="text"/> itself when it is composed already. Surrogates without a partner stay as they are.</summary>
    public static string Compose(string text)
    {
        var first = FirstSuspect(text);
        if (first < 0)
            return text;

        // Everything before the last starter that precedes the suspect is stable.
        var from = first;
        while (from > 0 && (char.IsLowSurrogate(text[from]) || from == first || Unicode.Class(CodePoint(text, from)) != 0))
            from--;
        var points = Decompose(text, from);
        var count = ComposeInPlace(points);
        var result = new StringBuilder(text.Length).Append(text, 0, from);
        for (var i = 0; i < count; i++)
            Append(result, points[i]);
        return result.ToString();
    }

    private static int FirstSuspect(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] >= 0x300 && Unicode.MayChange(CodePoint(text, i)))
                return i;
        }
        return -1;
    }

    private static List<int> Decompose(string text, int from)
    {
        var points = new List<int>(text.Length - from + 8);
        for (var i = from; i < text.Length; i++)
        {
            var point = CodePoint(text, i);
            if (point > 0xFFFF)
                i++;
            DecomposeInto(points, point);
        }
        SortMarks(points);
        return points;
    }

    // Decompositions nest, but only in their first part and a few levels deep: seconds wait on a small stack.
    private static void DecomposeInto(List<int> points, int point)
    {
        Span<int> seconds = stackalloc int[8];
        var waiting = 0;
        while (true)
        {
            if (point - HangulFirst is >= 0 and < HangulCount)
            {
                AddHangul(points, point - HangulFirst);
                break;
            }
            if (point < 0xC0 || !Unicode.Parts.TryGetValue(point, out var parts))
            {
                points.Add(point);
                break;
            }
            if (parts.Second != 0)
                seconds[waiting++] = parts.Second;
            point = parts.First;
        }
        while (waiting > 0)
            points.Add(seconds[--waiting]);
    }

    private static void AddHangul(List<int> points, int syllable)
    {
        points.Add(LeadFirst + syllable / (VowelCount * TailCount));
        points.Add(VowelFirst + syllable % (VowelCount * TailCount) / TailCount);
        if (syllable % TailCount != 0)
            points.Add(TailFirst + syllable % TailCount);
    }

    // Runs of marks are put in order of their class, marks of one class keeping their order.
    private static void SortMarks(List<int> points)
    {
        for (var start = 0; start < points.Count; start++)
        {
            if (Unicode.Class(points[start]) == 0)
                continue;
            var end = start + 1;
            while (end < points.Count && Unicode.Class(points[end]) != 0)
                end++;
            if (end - start > 1)
                SortRun(points, start, end);
            start = end;
        }
    }

    // The index breaks ties, which makes the sort stable; a hostile run of a million marks costs n log n.
    private static void SortRun(List<int> points, int start, int end)
    {
        var keys = new long[end - start];
        for (var i = 0; i < keys.Length; i++)
            keys[i] = (long)Unicode.Class(points[start + i]) << 32 | (uint)i;
        var run = points.GetRange(start, end - start).ToArray();
        Array.Sort(keys, run);
        for (var i = 0; i < run.Length; i++)
            points[start + i] = run[i];
    }

    private static int ComposeInPlace(List<int> points)
    {
        var written = 0;
        var starter = -1;
        var lastClass = 0;
        for (var i = 0; i < points.Count; i++)
        {
            var point = points[i];
            var mark = Unicode.Class(point);
            var blocked = starter >= 0 && written > starter + 1 && lastClass >= mark;
            if (starter >= 0 && !blocked && TryCompose(points[starter], point, out var joined))
            {
                points[starter] = joined;
                continue;
            }
            if (mark == 0)
                starter = written;
            lastClass = mark;
            points[written++] = point;
        }
        return written;
    }

    private static bool TryCompose(int first, int second, out int joined)
    {
        if (first - LeadFirst is >= 0 and < LeadCount && second - VowelFirst is >= 0 and < VowelCount)
        {
            joined = HangulFirst + ((first - LeadFirst) * VowelCount + second - VowelFirst) * TailCount;
            return true;
        }
        if (first - HangulFirst is >= 0 and < HangulCount && (first - HangulFirst) % TailCount == 0 && second - TailFirst is > 0 and < TailCount)
        {
            joined = first + second - TailFirst;
            return true;
        }
        return Unicode.Joins.TryGetValue((first, second), out joined);
    }

    private static int CodePoint(string text, int index) =>
        index + 1 < text.Length && char.IsSurrogatePair(text[index], text[index + 1]) ? char.ConvertToUtf32(text[index], text[index + 1]) : text[index];

    private static void Append(StringBuilder result, int point)
    {
        if (point <= 0xFFFF)
            result.Append((char)point);
        else
            result.Append(CultureInfo.InvariantCulture, $"{new Rune(point)}");
    }

    private sealed class Tables
    {
        private readonly Dictionary<int, byte> _classes = [];

        // One bit per code point of the first three planes, where all of them lie.
        private readonly ulong[] _mayChange = new ulong[0x30000 / 64];

        public Dictionary<int, (int First, int Second)> Parts { get; } = [];

        public Dictionary<(int First, int Second), int> Joins { get; } = [];

        public int Class(int point) => point >= 0x300 && MayChange(point) && _classes.TryGetValue(point, out var value) ? value : 0;

        /// <summary>False: a text of such characters only is composed already.</summary>
        public bool MayChange(int point) => point < 0x30000 && (_mayChange[point >> 6] >> point & 1) != 0;

        public static Tables Load()
        {
            var bytes = new MemoryStream();
            using (var packed = new DeflateStream(new MemoryStream(Convert.FromBase64String(CanonicalTable.Packed)), CompressionMode.Decompress))
                packed.CopyTo(bytes);
            using var reader = new BinaryReader(bytes);
            bytes.Position = 0;
            var tables = new Tables();
            tables.ReadDecompositions(reader);
            tables.ReadClasses(reader);
            tables.Mark(VowelFirst, VowelCount);
            tables.Mark(TailFirst, TailCount);
            return tables;
        }

        private void ReadDecompositions(BinaryReader reader)
        {
            var point = 0;
            for (var left = reader.Read7BitEncodedInt(); left > 0; left--)
            {
                point += reader.Read7BitEncodedInt();
                var first = reader.Read7BitEncodedInt();
                var second = reader.Read7BitEncodedInt();
                Parts.Add(point, (first >> 1, second));
                if ((first & 1) != 0)
                    Mark(point, 1);
                else
                    Joins.Add((first >> 1, second), point);
                if (second != 0)
                    Mark(second, 1);
            }
        }

        private void ReadClasses(BinaryReader reader)
        {
            var point = 0;
            for (var left = reader.Read7BitEncodedInt(); left > 0; left--)
            {
                point += reader.Read7BitEncodedInt();
                var count = reader.Read7BitEncodedInt();
                var value = (byte)reader.Read7BitEncodedInt();
                Mark(point, count);
                for (var i = 0; i < count; i++)
                    _classes[point + i] = value;
            }
        }

        private void Mark(int point, int count)
        {
            for (var i = point; i < point + count; i++)
                _mayChange[i >> 6] |= 1UL << i;
        }
    }
}
