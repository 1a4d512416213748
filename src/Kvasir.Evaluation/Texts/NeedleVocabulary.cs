using System.Globalization;
using Kvasir.Text;

namespace Kvasir.Evaluation.Texts;

/// <summary>The words that the bundled needle model was trained on; every one is a token of its own there. Other tokenizers spell them.</summary>
internal sealed class NeedleVocabulary
{
    private const int FewestNames = 64;

    private static readonly string[] Filler = Split(
        """
        the a grass is green sky blue sun yellow here we go there and back again river runs to sea birds sing in trees
        people walk along quiet road while wind moves over old hills some days are warm other cold rain falls on roof light fades
        slowly at night stars shine above town children play near school door one by each house has small garden with flowers
        """);

    private static readonly string[] Heads = Split(
        """
        ba be bo ca co da de do fa fe fi ga go ha he ho ja jo ka ke ki la le li lo ma me mi mo na ne no
        pa pe pi po ra re ri ro sa se si so ta te ti to va ve vi vo wa we za zo
        """);

    private static readonly string[] Tails = Split(
        """
        bar bel bin can col dan del dor fen fir gan gel gor han hel kan kel kor lan len lor man mel mir mon nar nel nor
        pan pel ran rel ris ron san sel sor tan tel tin tor van vel vin wen zan zel zor
        """);

    private NeedleVocabulary(string[] names) => Names = names;

    /// <summary>Names of keys and variables, and the words that are counted.</summary>
    public string[] Names { get; }

    /// <summary>The model knows a part of all names, which its vocabulary tells: those that are one token. A vocabulary without them gets all.</summary>
    public static NeedleVocabulary Of(Tokenizer tokenizer)
    {
        string[] all = [.. Heads.SelectMany(head => Tails, (head, tail) => head + tail)];
        string[] known = [.. all.Where(name => tokenizer.Encode(" " + name, addBegin: false).Length == 1)];
        return new NeedleVocabulary(known.Length < FewestNames ? all : known);
    }

    /// <summary>Words of idle sentences of five to eleven words, and their full stops.</summary>
    public static List<string> Idle(Dice dice, int count)
    {
        var words = new List<string>(count + 12);
        while (words.Count < count)
        {
            for (var left = dice.Between(5, 11); left > 0; left--)
                words.Add(dice.Pick(Filler));
            words.Add(".");
        }

        words.RemoveRange(count, words.Count - count);
        return words;
    }

    /// <summary>The chunks in their order, at random places of idle words; <paramref name="count"/> words in all where the chunks leave room.</summary>
    public static List<string> Scattered(Dice dice, IReadOnlyList<string[]> chunks, int count)
    {
        double[] places = [.. chunks.Select(_ => dice.Uniform())];
        Array.Sort(places);
        var idle = Idle(dice.Part(-1), Math.Max(0, count - chunks.Sum(chunk => chunk.Length)));
        var (words, done) = (new List<string>(count), 0);
        for (var i = 0; i < chunks.Count; i++)
        {
            var place = (int)(places[i] * (idle.Count + 1));
            words.AddRange(idle[done..place]);
            words.AddRange(chunks[i]);
            done = place;
        }

        words.AddRange(idle[done..]);
        return words;
    }

    /// <summary>Of two digits, which are one token.</summary>
    public static string Number(Dice dice) => dice.Between(10, 99).ToString(CultureInfo.InvariantCulture);

    private static string[] Split(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
}
