using System.Text;
using System.Text.Json.Nodes;
using Kvasir.Text;

namespace Kvasir.Test.Jinja;

public class TemplateMutationTest
{
    private const int Seed = 7041;
    private const int MutantsPerTemplate = 300;
    private const string Characters = "{}%#-+|().[]:,'\"\\ \n019axé\uD83D~*/=<>";

    [Fact]
    [Trait("Needs", "Minutes")]
    public void DamagedTemplatesRenderOrSayWhatIsWrong()
    {
        var fixture = TemplateFixture.Load("renderings.json.gz");
        var cases = fixture["cases"]!.AsArray();
        var random = new Random(Seed);
        int rendered = 0;
        int refused = 0;
        foreach (var (name, source) in fixture["templates"]!.AsObject())
        {
            for (int i = 0; i < MutantsPerTemplate; i++)
            {
                string mutant = Mutated((string)source!, random);
                var messages = cases[random.Next(cases.Count)]!["messages"]!.AsArray();
                if (Renders(mutant, $"{name}, mutant {i} of seed {Seed}", messages))
                    rendered++;
                else
                    refused++;
            }
        }
        // Both must be frequent, or the mutations are too tame or too wild to reach far.
        Assert.True(rendered > 300 && refused > 300, $"{rendered} rendered, {refused} refused");
    }

    private static bool Renders(string source, string label, JsonArray messages)
    {
        try
        {
            var options = new ChatTemplateOptions { BeginText = "<s>", EndText = "</s>", Clock = TemplateFixture.Clock };
            ChatTemplate.Parse(source, label).Render([.. messages.Select(message => TemplateFixture.Turn(message!))], options);
            return true;
        }
        catch (KvasirException error)
        {
            Assert.Equal(KvasirError.BadTemplate, error.Error);
            Assert.StartsWith($"{label}, line ", error.Message, StringComparison.Ordinal);
            return false;
        }
        catch (Exception error)
        {
            Assert.Fail($"{label}: {error}\n{source}");
            return false;
        }
    }

    private static string Mutated(string source, Random random)
    {
        var text = new StringBuilder(source);
        for (int edits = random.Next(1, 3); edits > 0 && text.Length > 1; edits--)
        {
            int at = random.Next(text.Length);
            int length = Math.Min(random.Next(1, 6), text.Length - at);
            switch (random.Next(4))
            {
                case 0:
                    text.Remove(at, length);
                    break;
                case 1:
                    text.Insert(at, text.ToString(at, length));
                    break;
                case 2:
                    int other = random.Next(text.Length);
                    (text[at], text[other]) = (text[other], text[at]);
                    break;
                default:
                    text[at] = Characters[random.Next(Characters.Length)];
                    break;
            }
        }
        return text.ToString();
    }
}
