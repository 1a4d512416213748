namespace Kvasir.Text.Words;

/// <summary>What streaming needs to know about UTF-8.</summary>
public static class Utf8
{
    /// <summary>Bytes at the end, 0 to 3, that begin a character which later bytes may complete.</summary>
    public static int IncompleteTail(ReadOnlySpan<byte> bytes)
    {
        for (var back = 1; back <= Math.Min(3, bytes.Length); back++)
        {
            var value = bytes[^back];
            if ((value & 0xC0) == 0x80)
                continue;
            var needed = value switch
            {
                >= 0xF0 and <= 0xF4 => 4,
                >= 0xE0 and < 0xF0 => 3,
                >= 0xC2 and < 0xE0 => 2,
                _ => 1,
            };
            return needed > back ? back : 0;
        }

        return 0;
    }
}
