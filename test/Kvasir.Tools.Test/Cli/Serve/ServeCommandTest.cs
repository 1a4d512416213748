namespace Kvasir.Tools.Test.Cli.Serve;

/// <summary>Command lines of <c>kvasir serve</c> that cannot be obeyed, and the help of one that can.</summary>
public sealed class ServeCommandTest : IDisposable
{
    private readonly TempFolder _models = new();

    public void Dispose() => _models.Dispose();

    [Fact]
    public void TheSameModelTwiceTwoOfOneNameAndOneThatIsNotThereAreOneLine()
    {
        CliRun.Of("serve", "stories260K", "stories260K", "--port", "0").AssertOneLine("stories260K.gguf is named twice");
        _models.Write("stories260K.gguf", "GGUF");
        var run = CliRun.Of("serve", "stories260K", _models.File("stories260K.gguf"), "--port", "0");
        run.AssertOneLine($"{_models.File("stories260K.gguf")} would both be called stories260K: models that are served together differ in name");
        CliRun.Of("serve", "stories260K", "no-such-model", "--port", "0").AssertOneLine("no-such-model is neither a GGUF file");
    }

    [Fact]
    public void MemoryForOneButNotForBothIsOneLineWithBothNumbers() =>
        CliRun.Of("serve", "stories260K", "needle", "--kv-memory", "16M", "--memory", "17M", "--port", "0")
            .AssertOneLine($"in all {11127320 + (16 << 20)}; {17 << 20} are there for models");

    [Fact]
    public void OneNameForSeveralModelsIsRefused() => CliRun.Of("serve", "stories260K", "needle", "--alias", "mine").AssertFails(
        2, "kvasir: --alias is 'mine', and 2 models are named: --alias ID=mine says which of them is called so; see kvasir serve --help");

    [Fact]
    public void AnyNameForSeveralModelsIsRefused() => CliRun.Of("serve", "stories260K", "needle", "--any-model").AssertFails(
        2, "kvasir: --any-model is for one model, and 2 are named; see kvasir serve --help");

    [Theory]
    [InlineData("--otlp", "nowhere", "OtlpEndpoint is 'nowhere'; a URL such as http://localhost:4317 is wanted")]
    [InlineData("--cors-origins", "*", "CorsOrigins: ")]
    [InlineData("--models", "/no/such/folder", "ModelsFolder is '/no/such/folder', and there is no such folder")]
    public void OptionsThatTheServerRefusesAreOneLineToo(string flag, string value, string words) =>
        CliRun.Of("serve", "stories260K", flag, value, "--port", "0").AssertOneLine(words);

    [Fact]
    public void AKeyFileThatIsWrongIsOneLineWithItsLine()
    {
        _models.Write("keys", "alice short");
        CliRun.Of("serve", "--api-key-file", _models.File("keys"), "--port", "0").AssertOneLine("keys, line 1: the key of 'alice' has 5 characters");
    }

    [Fact]
    public void HelpSaysThatThereMayBeSeveral() =>
        Assert.Contains("kvasir serve [MODEL ...]", CliRun.Of("serve", "--help").Output, StringComparison.Ordinal);
}
