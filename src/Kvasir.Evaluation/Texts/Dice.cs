using System.Text;
using Kvasir.Kernels.Hashing;

namespace Kvasir.Evaluation.Texts;

/// <summary>A stream of draws that depends on its seed alone: the classes of .NET may change theirs, and golden texts must not.</summary>
internal sealed class Dice(ulong seed)
{
    private ulong _drawn;

    /// <summary>The draws of one sample of one task.</summary>
    public static Dice Of(string task, SampleRequest request)
    {
        var seed = request.Seed;
        foreach (var value in Encoding.UTF8.GetBytes(task))
            seed = CounterNoise.Word(seed, value);
        return new Dice(CounterNoise.Seed(seed, request.Index, 0));
    }

    /// <summary>Other draws, which do not depend on how many have been taken here.</summary>
    /// <param name="index">Of the part that draws them.</param>
    public Dice Part(int index) => new(CounterNoise.Seed(seed, index, 1));

    public ulong Word() => CounterNoise.Word(seed, _drawn++);

    /// <summary>In [0, 1).</summary>
    public double Uniform() => CounterNoise.Uniform(seed, _drawn++);

    /// <summary>In [0, <paramref name="count"/>).</summary>
    public int Below(int count) => (int)Math.BigMul(Word(), (ulong)count, out _);

    /// <summary>Both ends included.</summary>
    public int Between(int least, int most) => least + Below(most - least + 1);

    public T Pick<T>(IReadOnlyList<T> from) => from[Below(from.Count)];

    public void Shuffle<T>(Span<T> items)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = Below(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    /// <summary>Some of the items, in random order, none twice.</summary>
    public T[] Draw<T>(IReadOnlyList<T> from, int count)
    {
        T[] items = [.. from];
        Shuffle<T>(items);
        return items[..count];
    }

    /// <summary>The first digit is no zero.</summary>
    public string Number(int digits)
    {
        var text = new StringBuilder(digits);
        for (var i = 0; i < digits; i++)
            text.Append((char)('0' + (i == 0 ? Between(1, 9) : Below(10))));
        return text.ToString();
    }

    /// <summary>A random (version 4) identifier.</summary>
    public string Uuid()
    {
        var (high, low) = (Word(), Word());
        var text = $"{high:x16}{low:x16}";
        return $"{text[..8]}-{text[8..12]}-4{text[13..16]}-{"89ab"[(int)(low >> 62)]}{text[17..20]}-{text[20..]}";
    }
}
