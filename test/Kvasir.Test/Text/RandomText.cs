using System.Text;

namespace Kvasir.Test.Text;

/// <summary>Texts that nobody wrote, of everything by which tokenizers differ: runs of white space, digits, marks, scripts, emoji, and what files call special.</summary>
internal sealed class RandomText(Random random, IReadOnlyList<string> pieces)
{
    private static readonly string[] Spaces = [" ", " ", " ", "  ", "    ", "\n", "\n\n", "\r\n", "\r", "\t", " \n", "\n ", "\u00A0", "\u3000", "\u2028", "\u2029", "\u0085", "\u200B", "\u000B", "\u1680"];
    private static readonly string[] Endings = ["'s", "'S", "'t", "'re", "'VE", "'m", "'ll", "'d", "\u2019s", "'\u017F", "n't", "_", "-", "..."];
    private static readonly string[] Joined = ["\U0001F468\u200D\U0001F469\u200D\U0001F467", "\U0001F1E9\U0001F1EA", "\u2764\uFE0F", "e\u0301", "\u00E9", "\uAC00", "\u1100\u1161\u11A8", "\uFB01", "\u0130", "\u1E9E", "\u212B", "\u0344", "\u0F73", "\u2126", "\u0915\u093C", "\u0958"];

    // Blocks of letters, digits, marks and signs in several planes, each with as many characters.
    private static readonly (int First, int Last)[] Blocks =
    [
        (0x21, 0x7E), (0xA1, 0x17F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x5D0, 0x5EA), (0x620, 0x6D3), (0x900, 0x97F), (0xE01, 0xE3A), (0x10D0, 0x10FF),
        (0x1100, 0x11FF), (0x1E00, 0x1FFE), (0x2000, 0x206F), (0x2070, 0x218B), (0x2200, 0x23FF), (0x3041, 0x30FF), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xF900, 0xFAD9), (0xFF01, 0xFFDC),
        (0x10400, 0x1044F), (0x1D400, 0x1D7FF), (0x1F300, 0x1F64F), (0x20000, 0x2A6DF), (0xE0100, 0xE01EF), (0, 0x1F),
    ];

    /// <summary>Of up to 40 parts.</summary>
    public string Next()
    {
        var text = new StringBuilder();
        for (var part = random.Next(40); part >= 0; part--)
            Add(text);
        return text.ToString();
    }

    private void Add(StringBuilder text)
    {
        switch (random.Next(12))
        {
            case 0 or 1 or 2:
                Letters(text, 'a', 1 + random.Next(9));
                break;
            case 3:
                Letters(text, 'A', 1 + random.Next(4));
                break;
            case 4:
                for (var digit = random.Next(7); digit >= 0; digit--)
                    text.Append((char)('0' + random.Next(10)));
                break;
            case 5 or 6:
                text.Append(Any(Spaces));
                break;
            case 7:
                text.Append(Any(Endings));
                break;
            case 8:
                text.Append(Any(Joined));
                break;
            case 9:
                text.Append(Any(pieces));
                break;
            default:
                Block(text);
                break;
        }
    }

    private void Block(StringBuilder text)
    {
        var (first, last) = Blocks[random.Next(Blocks.Length)];
        for (var character = random.Next(4); character >= 0; character--)
            text.Append(new Rune(random.Next(first, last + 1)).ToString());
    }

    private void Letters(StringBuilder text, char first, int count)
    {
        for (var letter = 0; letter < count; letter++)
            text.Append((char)(first + random.Next(26)));
    }

    private string Any(IReadOnlyList<string> strings) => strings[random.Next(strings.Count)];
}
