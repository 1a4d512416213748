using Kvasir.Attention.Policies;
using Kvasir.Test.Models;

namespace Kvasir.Test.Attention.Policies;

public sealed class PolicyFileTest : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("psa", "psa")]
    [InlineData("# found\n\n  psa:coverage=0.9,block=32 # why\r\n# end", "psa:coverage=0.9,block=32")]
    [InlineData("\uFEFFquest:share=0.05\n", "quest")]
    [InlineData("loki:file=axes#2.safetensors", "loki:file=axes#2.safetensors")]
    public void ItHoldsOnePolicyAndComments(string content, string name) =>
        Assert.Equal(PolicyCatalog.Parse(name).Name, PolicyFile.Read(_folder.Write("a.policy", content)).Name);

    [Theory]
    [InlineData("", ": has no policy; one such as psa:coverage=0.9 is expected on a line")]
    [InlineData("# psa\n#quest\n", ": has no policy; one such as psa:coverage=0.9 is expected on a line")]
    [InlineData("# two\npsa\nquest", ":3: is a second policy; a policy file has one")]
    [InlineData("\n\nx", ":3: attention policy 'x' is unknown; known: dense, ")]
    [InlineData("psa:coverage=2", ":1: attention policy 'psa' takes coverage above 0 and at most 1, not '2'")]
    public void WhatIsWrongIsSaidWithFileAndLine(string content, string message)
    {
        var path = _folder.Write("a.policy", content);
        Assert.StartsWith(path + message, Assert.Throws<KvasirException>(() => PolicyFile.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesThatCannotBeReadAreNamed()
    {
        var missing = Assert.Throws<KvasirException>(() => PolicyFile.Read(_folder.File("none.policy")));
        Assert.Equal((KvasirError.FileNotFound, $"{_folder.File("none.policy")} does not exist"), (missing.Error, missing.Message));
        Assert.EndsWith("bytes.policy:1: is not UTF-8 at byte 1; text in UTF-8, or in UTF-16 with a byte order mark, can be read", Assert.Throws<KvasirException>(() => PolicyFile.Read(_folder.Write("bytes.policy", [0x70, 0xFF]))).Message, StringComparison.Ordinal);
        Assert.Equal($"{_folder.Path} is a folder", Assert.Throws<KvasirException>(() => PolicyFile.Read(_folder.Path)).Message);
    }
}
