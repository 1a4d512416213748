using Kvasir.Attention;
using Kvasir.Attention.Policies;

namespace Kvasir.Test.Attention;

public sealed class PolicySpecTest
{
    [Theory]
    [InlineData("dense")]
    [InlineData("psa:coverage=0.9,block=16")]
    [InlineData("magicpig:bits=11,dense-layers=0+3,min-context=0")]
    [InlineData("quest+streaming")]
    [InlineData("quest:share=0.1,dense-layers=0+3+streaming:sinks=8,recent=4096")]
    [InlineData("loki:file=/tmp/lost+found/c++.axes,rank=8+streaming:min-context=0")]
    public void APrintedSpecIsReadAsItself(string text)
    {
        var spec = PolicyCatalog.Spec(text);
        Assert.Equal(text, $"{spec}");
        Assert.Equal((spec, spec.GetHashCode()), (PolicyCatalog.Spec($"{spec}"), PolicyCatalog.Spec($"{spec}").GetHashCode()));
        Assert.Equal((text, spec), (spec.Create().Name, spec.Create().Spec));
    }

    [Fact]
    public void AnOptionAtItsDefaultIsSetButNotPrinted()
    {
        var (plain, told) = (PolicyCatalog.Spec("psa"), PolicyCatalog.Spec($"psa:min-context={PolicyCatalog.Spec("psa").Whole("min-context")}"));
        Assert.Equal((plain, "psa"), (told, $"{told}"));
        Assert.Equal((false, true), (plain.Sets("min-context"), told.Sets("min-context")));
    }

    [Theory]
    [InlineData("quest+streaming", "quest+streaming")]
    [InlineData("quest:share=0.1,dense-layers=0+3+streaming:recent=4096", "quest+streaming")]
    [InlineData("psa:coverage=0.9", "psa")]
    public void AFamilyIsTheNamesOfItsParts(string text, string family) => Assert.Equal(family, PolicySpec.Family(text));

    [Fact]
    public void OptionsAndBudgetsOfAPairAreThoseOfThePartThatSelects()
    {
        var pair = PolicyCatalog.Spec("quest+streaming:recent=64");
        Assert.Equal("quest:page=8+streaming:recent=64", $"{pair.With("page", "8")}");
        Assert.All(pair.Sweep(), static spec => Assert.EndsWith("+streaming:recent=64", $"{spec}", StringComparison.Ordinal));
        Assert.Equal((PolicyCatalog.Spec("quest"), pair), (pair.WithDrop(null), PolicyCatalog.Spec("quest").WithDrop(pair.Drop)));
        Assert.NotEqual(PolicyCatalog.Spec("quest"), pair);
    }

    [Theory]
    [InlineData("a,b")]
    [InlineData("a+b")]
    [InlineData("a+b:c")]
    public void ATextThatWouldBeReadOtherwiseIsRefused(string file)
    {
        var refusal = Assert.Throws<KvasirException>(() => PolicyCatalog.Spec("loki").With("file", file));
        Assert.Contains("file text without commas", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SettingAnOptionLeavesTheOriginalAsItWas()
    {
        var before = PolicyCatalog.Spec("quest:page=8");
        var after = before.With("share", "0.5").With("page", "32");
        Assert.Equal(("quest:page=8", "quest:share=0.5,page=32"), ($"{before}", $"{after}"));
        Assert.NotEqual(before, after);
        Assert.Equal(("0.5", 32), (after.Word("share"), after.Whole("page")));
    }

    [Theory]
    [InlineData("page", "0", "takes page 2 to ")]
    [InlineData("pages", "8", "has no option 'pages'")]
    public void AWrongOptionIsRefusedWhereItIsSet(string name, string value, string message) =>
        Assert.Contains(message, Assert.Throws<KvasirException>(() => PolicyCatalog.Spec("quest").With(name, value)).Message, StringComparison.Ordinal);

    [Fact]
    public void APolicyOfAnotherAssemblyIsOneOfTheTable()
    {
        Assert.Equal("every-other:step=3", PolicyCatalog.Parse("every-other:step=3").Name);
        Assert.Contains("every-other", PolicyCatalog.Names, StringComparison.Ordinal);
        Assert.Contains("already", Assert.Throws<ArgumentException>(() => PolicyCatalog.Register(PolicyCatalog.Spec("every-other").Entry)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a:b")]
    [InlineData("a,b")]
    [InlineData("7b")]
    public void ANameThatCouldNotBeTypedIsRefused(string name) =>
        Assert.Throws<ArgumentException>(() => PolicyCatalog.Register(PolicyCatalog.Dense.Spec.Entry with { Name = name }));
}
