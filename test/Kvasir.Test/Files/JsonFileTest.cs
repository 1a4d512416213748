using System.Text;
using Kvasir.Test.Models;

namespace Kvasir.Test.Files;

/// <summary>JSON files as editors leave them.</summary>
public sealed class JsonFileTest : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("utf-8")]
    [InlineData("utf-16")]
    [InlineData("utf-16BE")]
    public void EveryFileOfAFolderMayBeginWithAByteOrderMark(string encoding)
    {
        StoriesCopy.Folder(_folder);
        File.Move(_folder.File("model.safetensors"), _folder.File("model-00001-of-00001.safetensors"));
        var names = TensorNames(_folder.File("model-00001-of-00001.safetensors"));
        _folder.Write("model.safetensors.index.json", $"{{\"weight_map\": {{{string.Join(", ", names.Select(static name => $"\"{name}\": \"model-00001-of-00001.safetensors\""))}}}}}");
        _folder.Write("generation_config.json", """{"top_k": 7}""");
        _folder.Write("special_tokens_map.json", """{"bos_token": "<s>"}""");
        foreach (var path in Directory.GetFiles(_folder.Path, "*.json"))
            File.WriteAllText(path, File.ReadAllText(path), Encoding.GetEncoding(encoding));
        Assert.True(Encoding.GetEncoding(encoding).Preamble.Length > 0 && File.ReadAllBytes(_folder.File("config.json"))[0] >= 0xEF);
        using var model = Model.Load(_folder.Path);
        Assert.Empty(model.Notes);
        Assert.Equal(7, model.Defaults.TopK);
        Assert.Equal(StoriesCopy.Story(TestModels.StoriesGguf), StoriesCopy.Story(model));
    }

    [Fact]
    public void BytesThatAreNoTextAreShownWithReplacementCharacters()
    {
        StoriesCopy.Folder(_folder);
        var config = File.ReadAllText(_folder.File("tokenizer_config.json")).Replace("\"legacy\"", "\"author\": \"José\", \"legacy\"", StringComparison.Ordinal);
        _folder.Write("tokenizer_config.json", Encoding.Latin1.GetBytes(config));
        using var model = Model.Load(_folder.Path);
        var index = config.IndexOf('é', StringComparison.Ordinal);
        AssertNote(model, $"tokenizer_config.json:{1 + config.AsSpan(0, index).Count('\n')}: is not UTF-8 at byte {index}; ");
        Assert.Equal(1, model.Tokenizer.BeginToken);
    }

    [Fact]
    public void ATemplateThatIsNoTextIsToldOfAtItsByte()
    {
        StoriesCopy.Folder(_folder);
        _folder.Write("chat_template.jinja", [.. "{{ bos_token }}\n"u8, 0xFF, .. "{{ messages[0].content }}"u8]);
        using var model = Model.Load(_folder.Path);
        AssertNote(model, "chat_template.jinja:2: is not UTF-8 at byte 16; ");
        Assert.Equal("<s>\n\uFFFDhi", model.Template!.Render([new("user", "hi")], new() { BeginText = "<s>" }));
    }

    [Fact]
    public void AnEmptyTemplateIsNone()
    {
        StoriesCopy.Folder(_folder);
        _folder.Write("chat_template.jinja", "");
        using var model = Model.Load(_folder.Path);
        AssertNote(model, "chat_template.jinja is empty; it counts as absent");
        Assert.Null(model.Template);
    }

    [Theory]
    [InlineData("utf-32", 2)]
    [InlineData("utf-16 without a mark", 1)]
    public void AFormThatDoesNotSayWhatItIsIsNamed(string form, int badByte)
    {
        StoriesCopy.Folder(_folder);
        var encoding = form == "utf-32" ? Encoding.UTF32 : new UnicodeEncoding(bigEndian: false, byteOrderMark: false);
        File.WriteAllText(_folder.File("config.json"), File.ReadAllText(_folder.File("config.json")), encoding);
        var error = Assert.Throws<KvasirException>(() => Model.Load(_folder.Path));
        Assert.Equal($"{_folder.File("config.json")}:1: has a zero character at byte {badByte}; text in UTF-8, or in UTF-16 with a byte order mark, can be read", error.Message);
    }

    private static void AssertNote(Model model, string part) => Assert.Contains(part, Assert.Single(model.Notes), StringComparison.Ordinal);

    private static string[] TensorNames(string path)
    {
        using var file = Kvasir.Files.Safetensors.Open(path);
        return [.. file.Tensors.Select(static tensor => tensor.Name)];
    }
}
